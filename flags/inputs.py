"""What goes in: the suspect, the clean data it is repaired with, the data it is measured on; or embedded faces."""

from absl import flags

from goodnet.data.faces import face_sets
from goodnet.data.reading_options import ReadingOptions
from goodnet.flags.settings import define_shared

MODEL = flags.DEFINE_string(
    "model",
    None,
    "The suspect: a Keras 2 HDF5 file (whole model, or weights of a known architecture) or a .keras file. May also be "
    "given as the first argument.",
)
ARCHITECTURE = define_shared(
    "architecture", None, "The architecture of a file that holds weights only. Default: recognised."
)
MAX_MULTIPLY_ADDS = define_shared(
    "max_multiply_adds",
    40 * 10**9,
    "The most multiply-adds that the model may ask for one image; a suspect could ask for any number. "
    "Default: a little more than EfficientNetB7 at 600 x 600.",
)
CLEAN_DATA = flags.DEFINE_string(
    "clean_data",
    None,
    "Clean images that nobody can have poisoned: HDF5 (data, label), a folder with one sub-folder a class, .npz, or a "
    "folder of .npy. Of train, val and test in one place it takes val, or else train. Split by --seed into fit, "
    "calibrate and report.",
)
CLEAN_PART = define_shared(
    "clean_part",
    None,
    "Which part of --clean_data to take, where that holds several. Default: val, or else train.",
)
TEST_DATA = flags.DEFINE_string(
    "test_data", None, "More clean images, only measured on. Of train, val and test in one place: test."
)
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
RESIZE = flags.DEFINE_bool(
    "resize",
    False,
    "Scale images of another size to the model's, bilinearly, as goodnet-detect --resize does. Pictures of a folder "
    "may then differ in size.",
)
EXIF_ORIENTATION = flags.DEFINE_bool(
    "exif_orientation",
    False,
    "Turn pictures as their EXIF data says, as cameras of phones need it. Keras' and torchvision's loaders do not: a "
    "model that was trained with them has seen such pictures lying on a side.",
)
CROP_TO_ROI = flags.DEFINE_bool(
    "crop_to_roi",
    False,
    "Take of each picture the region of interest that a CSV file beside it gives: Roi.X1, Roi.Y1, Roi.X2, Roi.Y2, the "
    "last two excluded, as GTSRB has it. Without it whole pictures are taken.",
)
INPUT_SCALE = define_shared(
    "input_scale",
    "auto",
    "What the model expects of pixels: unit 0..1, byte 0..255, symmetric -1..1 (Keras' mode tf), torch (0..1, minus "
    "ImageNet's mean, by its std), caffe (0..255 minus ImageNet's means), per_image (each image of mean 0 and variance "
    "1, as tf.image.per_image_standardization), mean_std (with --mean and --std). auto tries all but the last on the "
    "clean data, and takes what makes the true classes most likely.",
)
MEAN = flags.DEFINE_list(
    "mean", None, "With --input_scale=mean_std: mean of each channel, red first, of pixels in 0..1."
)
STD = flags.DEFINE_list(
    "std", None, "With --input_scale=mean_std: standard deviation of each channel, red first, of pixels in 0..1."
)
CHANNEL_ORDER = define_shared(
    "channel_order",
    "auto",
    "Which channel the model takes first; data is always read as RGB. auto tries both on the clean data. Keras' mode "
    "caffe is --input_scale=caffe --channel_order=bgr.",
)
ALLOW_CHANCE = flags.DEFINE_bool(
    "allow_chance",
    False,
    "Go on, with a warning, where the model is no better than chance on the clean data, or where these hold one class "
    "only. What follows may then mean nothing.",
)
IDENTITIES = flags.DEFINE_integer(
    "identities", face_sets.DEFAULT_IDENTITIES, "Identities (classes) of the embedded faces.", lower_bound=2
)
IMAGES_PER_IDENTITY = flags.DEFINE_integer(
    "images_per_identity",
    face_sets.DEFAULT_IMAGES_PER_IDENTITY,
    "Images of each identity, over training, validation and test.",
    lower_bound=4,
)

# The flags of a command that opens a suspect on clean images.
OPENING_A_SUSPECT = (
    MODEL,
    ARCHITECTURE,
    MAX_MULTIPLY_ADDS,
    CLEAN_DATA,
    CLEAN_PART,
    CLASS_NAMES,
    SKIP_BROKEN_IMAGES,
    RESIZE,
    EXIF_ORIENTATION,
    CROP_TO_ROI,
    INPUT_SCALE,
    MEAN,
    STD,
    CHANNEL_ORDER,
    ALLOW_CHANCE,
)


def reading() -> ReadingOptions:
    """The values of the flags that say how images are read."""
    return ReadingOptions(RESIZE.value, EXIF_ORIENTATION.value, CROP_TO_ROI.value, CLEAN_PART.value)


def input_scale() -> tuple[str, list[str] | None, list[str] | None, str]:
    """The values of the flags that say what the model expects of pixels: scale, mean, std, order of channels."""
    return INPUT_SCALE.value, MEAN.value, STD.value, CHANNEL_ORDER.value
