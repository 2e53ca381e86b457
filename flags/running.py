"""How a run goes: where it writes, on which device, with which seed, and what any training is told."""

from absl import flags

OUT_DIR = flags.DEFINE_string("out_dir", None, "The folder to write to. Default: one beside the model.")
# NumPy's and TensorFlow's seeds are 32 bits.
SEED = flags.DEFINE_integer("seed", 0, "All that is random follows from it.", lower_bound=0, upper_bound=2**32 - 1)
DEVICE = flags.DEFINE_enum(
    "device", "auto", ["auto", "cpu", "gpu"], "Where to train: every GPU that TensorFlow sees, else the CPU."
)
BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Images in a training batch, over all devices.", lower_bound=1)
MAX_SHIFT = flags.DEFINE_integer(
    "max_shift", 2, "Pixels that images are shifted by, at random, in training.", lower_bound=0
)
RESUME = flags.DEFINE_bool("resume", False, "Go on from the last finished stage of an interrupted run into --out_dir.")
CACHE_DIR = flags.DEFINE_string(
    "cache_dir", None, "Where the embedded faces and their BadNet are kept. Default: ~/.cache/goodnet."
)
