"""What the benchmarks of repairs run on, and where they keep what they found."""

import os

from absl import flags

RESULTS = flags.DEFINE_string(
    "results", "out/bench/defenses.csv", "One row a cell. Cells that have one are not run again; tables go beside it."
)
DATA_DIR = flags.DEFINE_string(
    "data_dir",
    os.environ.get("SHARED_DATA"),
    "The folder with gtsrb/ and cifar10/, each with train.h5, clean_validation.h5 and clean_test.h5 in the layout of "
    "CSAW. Default: what the environment's SHARED_DATA names.",
)
CELLS = flags.DEFINE_string("cells", "", "Only cells whose name has this regular expression in it; see --list.")
LIST = flags.DEFINE_bool("list", False, "Print the cells, those that are done marked, and run none.")
