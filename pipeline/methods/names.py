"""Names of the methods of repair, for whoever must not wait for TensorFlow; in the order in which tables show them."""

NAMES = ("full", "fine-tuning", "fine-pruning")
