"""The rows of the benchmark, in a CSV that is always whole."""

from bench.figures import COLUMNS
from bench.grid import BadNet
from bench.row_file import Row, RowFile

HEADER = (
    "cell",
    "role",
    "dataset",
    "network",
    "attack",
    "seed",
    "clean",
    "method",
    *COLUMNS,
    "seconds",
    "badnet_sha256",
    "code",
)


class Results(RowFile):
    """A file of the benchmark's rows, one a cell."""

    def __init__(self, path: str):
        """Nothing is written before a row is added."""
        super().__init__(path, HEADER)

    def rows(self) -> list[Row]:
        """Every row, values as text; none if there is no file. Roles are today's: a cell may be looked at later.

        Raises:
            InputError: the file is not one of this benchmark.
        """
        return [{**row, "role": _role(row)} for row in super().rows()]


def _role(row: Row) -> str:
    return BadNet(row["dataset"], row["network"], row["attack"], int(row["seed"])).role
