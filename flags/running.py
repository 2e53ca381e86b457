"""How a run goes: where it writes, on which device, with which seed, and what any training is told."""

from absl import flags

from goodnet.flags.parsers import define

OUT_DIR = flags.DEFINE_string("out_dir", None, "The folder to write to. Default: one beside the model.")
SEED = define("seed", 0, "All that is random follows from it.")
DEVICE = flags.DEFINE_enum(
    "device", "auto", ["auto", "cpu", "gpu"], "Where to train: every GPU that TensorFlow sees, else the CPU."
)
BATCH_SIZE = define("batch_size", 64, "Images in a training batch, over all devices.")
MAX_SHIFT = define("max_shift", 2, "Pixels that images are shifted by, at random, in training.")
RESUME = flags.DEFINE_bool("resume", False, "Go on from the last finished stage of an interrupted run into --out_dir.")
CACHE_DIR = flags.DEFINE_string(
    "cache_dir", None, "Where the embedded faces and their BadNet are kept. Default: ~/.cache/goodnet."
)
