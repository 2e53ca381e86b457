"""What goes in: the suspect model, the clean data it is repaired with, and the data it is measured on."""

from absl import flags

MODEL = flags.DEFINE_string(
    "model",
    None,
    "The suspect: a Keras 2 HDF5 file (whole model, or weights of a known architecture) or a .keras file. May also be "
    "given as the first argument.",
)
ARCHITECTURE = flags.DEFINE_enum(
    "architecture",
    None,
    ["deepid", "vgg", "resnet"],
    "The architecture of a file that holds weights only. Default: recognised.",
)
CLEAN_DATA = flags.DEFINE_string(
    "clean_data",
    None,
    "Clean images that nobody can have poisoned: HDF5 (data, label), a folder with one sub-folder a class, or .npz. "
    "Split by --seed into fit, calibrate and report.",
)
TEST_DATA = flags.DEFINE_string("test_data", None, "More clean images, only measured on.")
POISONED_DATA = flags.DEFINE_multi_string(
    "poisoned_data",
    [],
    "Images that carry a trigger, only measured on, and opened only after every artefact is written. May be repeated.",
)
CLASS_NAMES = flags.DEFINE_string(
    "class_names",
    None,
    "A text file with a class name a line, in the order of the model's outputs; class folders of all sets are matched "
    "with it. Default: the names of the clean data, which must be as many as the outputs. Folders called 0, 1, 2, ... "
    "are the labels of that number.",
)
TARGET = flags.DEFINE_multi_string(
    "target",
    [],
    "For poisoned data whose images are sorted by their true class: the attacker's target, a label or a class name. "
    "Repeated, each goes with one --poisoned_data, in order; an empty one with a set that is sorted by its targets.",
)
SKIP_BROKEN_IMAGES = flags.DEFINE_bool(
    "skip_broken_images",
    True,
    "In a folder of images, leave out those that cannot be decoded, with a warning that counts them. "
    "--noskip_broken_images refuses the folder instead.",
)
INPUT_SCALE = flags.DEFINE_enum(
    "input_scale",
    "auto",
    ["auto", "unit", "byte", "symmetric", "mean_std"],
    "What the model expects of pixels: unit 0..1, byte 0..255, symmetric -1..1, mean_std (with --mean and --std). auto "
    "tries the first three on the clean data.",
)
MEAN = flags.DEFINE_list("mean", None, "With --input_scale=mean_std: mean of each channel, of pixels in 0..1.")
STD = flags.DEFINE_list(
    "std", None, "With --input_scale=mean_std: standard deviation of each channel, of pixels in 0..1."
)
