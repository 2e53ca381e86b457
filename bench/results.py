"""The rows of the benchmark, in a CSV that is always whole."""

import csv
import io
import os
from collections.abc import Mapping
from typing import Any

from bench.figures import COLUMNS
from bench.grid import BadNet
from bench.locks import held
from data.errors import InputError
from pipeline.outputs import make_folder, write_bytes

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

Row = Mapping[str, str]


class Results:
    """A file of rows, one a cell; several processes may add to it."""

    def __init__(self, path: str):
        """Nothing is written before a row is added."""
        self.path = path

    def rows(self) -> list[Row]:
        """Every row, values as text; none if there is no file. Roles are today's: a cell may be looked at later.

        Raises:
            InputError: the file is not one of this benchmark.
        """
        if not os.path.exists(self.path):
            return []
        with open(self.path, newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != HEADER:
                raise InputError(f"--results={self.path}: other columns than this benchmark's; expected another file")
            return [{**row, "role": _role(row)} for row in reader]

    def done(self) -> frozenset[str]:
        """Names of the cells that have a row."""
        return frozenset(row["cell"] for row in self.rows())

    def add(self, row: Mapping[str, Any]) -> None:
        """Writes the file anew with one more row; a cell that has one already keeps it."""
        make_folder(os.path.dirname(os.path.abspath(self.path)), "results")
        with held(self.path + ".lock"):
            rows = self.rows()
            if any(known["cell"] == row["cell"] for known in rows):
                return
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, HEADER, lineterminator="\n")
            writer.writeheader()
            writer.writerows([*rows, row])
            write_bytes(self.path, text.getvalue().encode())


def _role(row: Row) -> str:
    return BadNet(row["dataset"], row["network"], row["attack"], int(row["seed"])).role
