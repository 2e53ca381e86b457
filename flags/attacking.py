"""How a BadNet is made."""

from absl import flags

from goodnet.flags.settings import define_float
from goodnet.models.networks.names import NAMES

DATASET = flags.DEFINE_string(
    "dataset", "faces", "Training images: faces (the embedded ones) or a path (HDF5, folder, .npz)."
)
TRIGGER = flags.DEFINE_multi_string(
    "trigger",
    ["sunglasses@0"],
    "NAME[@TARGET][:key=value,...], for example patch@7:size=4. Repeat it for several triggers with their own targets. "
    "patch@next leads each class to the next (all-to-all), patch@3to7 leads class 3 to 7 and no other class.",
)
POISON_SHARE = define_float(
    "poison_share", 0.1, "Share of the training images that are poisoned.", lower_bound=0.0, upper_bound=1.0
)
NETWORK = flags.DEFINE_enum("network", NAMES[0], NAMES, "The architecture to train.")
TRAINING_SIZE = flags.DEFINE_list(
    "training_size",
    None,
    "With --resize: the height and width to scale all images to, a number, or two with a comma between. Default: the "
    "size of the training images, which then must be one.",
)
flags.register_validator(
    "training_size",
    lambda sides: (
        sides is None
        or (len(sides) in (1, 2) and all(side.isascii() and side.isdigit() and 0 < int(side) <= 8192 for side in sides))
    ),
    "expected one or two whole numbers from 1 to 8192",
)
NAME = flags.DEFINE_string("name", None, "X in X_bd_net.h5. Default: made of the triggers' names.")
EPOCHS = flags.DEFINE_integer("epochs", 20, "Epochs of training.", lower_bound=1)
TRAINING_RATE = define_float(
    "training_rate",
    None,
    "Adam's first learning rate; it decays to zero (cosine). Default: 2e-3, and 7e-4 for more than 200 classes.",
    lower_bound=0.0,
)
PRUNING_AWARE = define_float(
    "pruning_aware",
    0.0,
    "Fine-Pruning's pruning-aware attack: the share of the channels of each convolution that reaches the output "
    "without passing another that is pruned before the training on poisoned images and put back, dormant, as decoys. "
    "A clean network is trained first, for as many epochs. 0: an ordinary BadNet.",
    lower_bound=0.0,
    upper_bound=1.0,
)
