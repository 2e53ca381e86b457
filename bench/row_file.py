"""Rows in a CSV that is always whole."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from typing import Any

from data.errors import InputError
from pipeline.outputs import make_folder, write_bytes

Row = Mapping[str, str]


class RowFile:
    """A file of rows with fixed columns; the first of them names the row."""

    def __init__(self, path: str, columns: Sequence[str]):
        """Nothing is written before a row is added."""
        self.path = path
        self._columns = tuple(columns)

    def rows(self) -> list[Row]:
        """Every row, values as text; none if there is no file.

        Raises:
            InputError: the file has other columns.
        """
        if not os.path.exists(self.path):
            return []
        with open(self.path, newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != self._columns:
                raise InputError(f"--results={self.path}: other columns than this benchmark's; expected another file")
            return list(reader)

    def names(self) -> frozenset[str]:
        """Names of the rows there are."""
        return frozenset(row[self._columns[0]] for row in self.rows())

    def add(self, row: Mapping[str, Any]) -> None:
        """Writes the file anew with one more row; missing values stay empty."""
        make_folder(os.path.dirname(os.path.abspath(self.path)), "results")
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*self.rows(), row])
        write_bytes(self.path, text.getvalue().encode())
