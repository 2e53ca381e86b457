"""What the benchmark of defenses runs, and where it keeps what it found."""

from absl import flags

RESULTS = flags.DEFINE_string(
    "results",
    "out/bench/defenses.csv",
    "One row a cell. Cells that have one are not run again; table (.md) and figure (.png) are written beside it.",
)
GTSRB_DIR = flags.DEFINE_string(
    "gtsrb_dir", None, "The folder with GTSRB: train.h5, clean_validation.h5 and clean_test.h5 in the layout of CSAW."
)
CELLS = flags.DEFINE_string("cells", "", "Only cells whose name has this regular expression in it; see --list.")
QUICK = flags.DEFINE_bool("quick", False, "Only a subset on the embedded faces that takes less than ten minutes.")
BADNETS_ONLY = flags.DEFINE_bool("badnets_only", False, "Make the BadNets of these cells, and repair none.")
LIST = flags.DEFINE_bool("list", False, "Print the cells, those that are done marked, and run none.")
