"""Rows in a CSV that is always whole."""

import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.locks import held
from goodnet.data.errors import InputError
from goodnet.pipeline.run.output_files import make_folder, write_bytes

Row = Mapping[str, str]


class RowFile:
    """A file of rows with fixed columns, the first of which names the row; several processes may add to it."""

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
                raise InputError(f"--results={self.path}: other columns than this version's; expected another file")
            return list(reader)

    def done(self) -> frozenset[str]:
        """Names of the rows there are."""
        return frozenset(row[self._columns[0]] for row in self.rows())

    def add(self, row: Mapping[str, Any]) -> None:
        """Writes the file anew with one more row; missing values stay empty, and a name that has a row keeps it."""
        make_folder(os.path.dirname(os.path.abspath(self.path)), "results")
        with held(self.path + ".lock"):
            rows, name = self.rows(), self._columns[0]
            if any(known[name] == row[name] for known in rows):
                return
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, self._columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows([*rows, row])
            write_bytes(self.path, text.getvalue().encode())

    def sum_up(
        self, summary: Callable[[Sequence[Row]], str], figure: Callable[[Sequence[Row]], bytes] | None = None
    ) -> None:
        """Prints what the rows say, and writes it beside them, if there are some.

        Args:
            summary: Markdown of the rows; goes to a file .md.
            figure: a PNG of them; goes to a file .png. None for none.
        """
        rows, (base, _) = self.rows(), os.path.splitext(self.path)
        text = summary(rows)
        print(text)
        if rows:
            write_bytes(base + ".md", (text + "\n").encode())
            print(f"\ntables: {base}.md")
            if figure is not None:
                write_bytes(base + ".png", figure(rows))
                print(f"figure: {base}.png")
