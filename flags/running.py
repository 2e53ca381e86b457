"""How a run goes: where it writes, on which device, with which seed; how it trains, and what it exports."""

from absl import flags

from goodnet.export.precisions import PRECISIONS
from goodnet.flags.settings import define_shared

OUT_DIR = flags.DEFINE_string("out_dir", None, "The folder to write to. Default: one beside the model.")
SEED = define_shared("seed", 0, "All that is random follows from it.")
DEVICE = flags.DEFINE_enum(
    "device", "auto", ["auto", "cpu", "gpu"], "Where to train: every GPU that TensorFlow sees, else the CPU."
)
BATCH_SIZE = define_shared(
    "batch_size",
    None,
    "Images in a training batch, over all devices. Default: 64, and fewer that are larger than 128 x 128 pixels (20 of "
    "224 x 224), so that they take no more memory.",
)
MAX_SHIFT = define_shared("max_shift", 2, "Pixels that images are shifted by, at random, in training.")
RESUME = flags.DEFINE_bool("resume", False, "Go on from the last finished stage of an interrupted run into --out_dir.")
CACHE_DIR = flags.DEFINE_string(
    "cache_dir", None, "Where the embedded faces and their BadNet are kept. Default: ~/.cache/goodnet."
)
PRECISION = define_shared(
    "precision",
    PRECISIONS[0],
    "Arithmetic of detector.tflite: int8 weights and products with ranges measured on the device, int8 throughout with "
    "ranges fixed on clean and on stamped images (for accelerators that know nothing else), half or full precision. "
    "`fastest` times int8, full_integer and float16 on this machine and writes the fastest of those that answer as the "
    "Keras model; a device of another kind may rank them otherwise. Unless this is given, half or full precision is "
    "written where int8 does not answer as the Keras model.",
)
MIN_PARITY = define_shared(
    "min_parity",
    0.99,
    "The least share, in 0..1, of clean images, of stamped ones, and of those of them flagged, on which "
    "detector.tflite must answer as the Keras model. Rounding alone changes the answer to 1 in 200 images or fewer; "
    "more is a fault of the conversion. Below the share, by its exact 95 % interval, nothing is written.",
)
