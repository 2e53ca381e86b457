"""How much is pruned, and how the network is tuned while it is."""

from absl import flags

from goodnet.flags.finite import define_float

MAX_ACCURACY_LOSS = define_float(
    "max_accuracy_loss",
    None,
    "The clean accuracy that pruning alone may cost before tuning wins it back, as a share (Fine-Pruning's rule). The "
    "channels pruned are as many as that allows. Default: 0.04 in fine-pruning, as its authors have it; 0 in full, "
    "where pruning is not the cure.",
    lower_bound=0.0,
    upper_bound=1.0,
)
PRUNED_LAYERS = flags.DEFINE_list(
    "pruned_layers",
    None,
    "Names of the convolutions to prune. Default: each that reaches the output without passing another.",
)
PRUNING_EPOCHS = flags.DEFINE_integer(
    "pruning_epochs", 4, "Epochs of tuning while tfmot closes the channels; the schedule ends halfway.", lower_bound=1
)
FINE_TUNING_EPOCHS = flags.DEFINE_integer(
    "fine_tuning_epochs",
    None,
    "Epochs of tuning after the channels are removed. Default: 6 in fine-pruning and fine-tuning; in full, where they "
    "are the last part of unlearning, 500 steps.",
    lower_bound=0,
)
LEARNING_RATE = define_float("learning_rate", 5e-4, "Adam's learning rate in the repair.", lower_bound=0.0)
MAX_SHIFT = flags.DEFINE_integer(
    "max_shift", 2, "Pixels that images are shifted by, at random, in training.", lower_bound=0
)
MAX_ZOOM = define_float(
    "max_zoom",
    0.1,
    "Share of their height and width that images are stretched by, at random, in a repair's training.",
    lower_bound=0.0,
    upper_bound=0.9,
)
MAX_LIGHT = define_float(
    "max_light",
    0.2,
    "Share of their value that pixels are brightened or darkened by, at random, in a repair's training.",
    lower_bound=0.0,
    upper_bound=1.0,
)
TUNE_ALL_LAYERS = flags.DEFINE_bool(
    "tune_all_layers", False, "Also tune what is upstream of the first pruned layer (default: frozen)."
)
TUNE_BATCH_NORM = flags.DEFINE_bool(
    "tune_batch_norm", False, "Let batch norms learn from the clean images (default: they stay in inference mode)."
)
