"""What the zoo runs."""

from absl import flags

from goodnet.flags.settings import define_float
from goodnet.pipeline.methods.names import NAMES

SEEDS = flags.DEFINE_string(
    "seeds", "0:20", "Which BadNets: 0 to 99 for development, 1000 and up held out; for example 0:20 or 3,5,1000:1100."
)
METHODS = flags.DEFINE_list("methods", list(NAMES), "How they are repaired.")
CLEAN_PERCENT = define_float(
    "clean_percent", 5.0, "How many clean images the defender has, in percent of the training set.", lower_bound=0.1
)
THREADS = flags.DEFINE_integer("threads", 2, "Threads that TensorFlow computes with.", lower_bound=1)
PICTURES = flags.DEFINE_string(
    "pictures", None, "Write a contact sheet of these seeds' triggers to this PNG, and train none."
)
