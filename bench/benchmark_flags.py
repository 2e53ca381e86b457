"""What the benchmarks of repairs run on, and where they keep what they found."""

import os
import re
from collections.abc import Sequence

from absl import flags

from goodnet.data.errors import InputError

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


def results_path(default: str) -> str:
    """The value of --results, or where a benchmark keeps its own if none was given."""
    return RESULTS.value if RESULTS.present else default


def names_matching(names: Sequence[str], wanted: str, flag: str = CELLS.name) -> list[str]:
    """Those that a regular expression is somewhere in.

    Args:
        names: to choose from, at least one.
        wanted: the expression.
        flag: whose value it is.

    Raises:
        InputError: it is none, or is in no name.
    """
    try:
        pattern = re.compile(wanted)
    except re.error as error:
        raise InputError(f"--{flag}={wanted}: {error}; expected a regular expression") from error
    chosen = [name for name in names if pattern.search(name)]
    if not chosen:
        raise InputError(f"--{flag}={wanted}: no such cell; expected a part of a name such as {names[0]}")
    return chosen
