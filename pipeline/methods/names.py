"""Names of the methods of repair, for whoever must not wait for TensorFlow; in the order in which tables show them."""

FULL, FINE_TUNING, FINE_PRUNING = NAMES = ("full", "fine-tuning", "fine-pruning")
