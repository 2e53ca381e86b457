"""Tables of pictures: CSV files that say which class each picture of a folder has, and maybe its region of interest.

As the German Traffic Sign Recognition Benchmark has them (GTSRB: Stallkamp et al., IJCNN 2011), with semicolons and
Filename, Roi.X1, Roi.Y1, Roi.X2, Roi.Y2, ClassId; as Kaggle's edition of it, with commas, and Path for Filename; and
plain ones of a file and a class, with or without a region.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from goodnet.data.class_names import folder_classes, normal
from goodnet.data.errors import InputError, shown
from goodnet.data.labels import checked_labels
from goodnet.data.progress import log
from goodnet.data.use import SPELLINGS, Use, part_for
from goodnet.export.pixel_range import MAX_IMAGES
from goodnet.export.regular_files import Entry, open_regular

Region = tuple[int, int, int, int]

_MAX_BYTES = 2**28
_MAX_HEADER = 2**12
_FILES = ("path", "filename", "file", "image")
_CLASSES = ("classid", "class", "label")
_REGION = ("roi.x1", "roi.y1", "roi.x2", "roi.y2")


@dataclass(frozen=True)
class Table:
    """A table whose header was read.

    Attributes:
        path: of the file.
        delimiter: between its columns.
        columns: names of the columns, in small letters.
    """

    path: str
    delimiter: str
    columns: tuple[str, ...]

    def place(self, names: Sequence[str]) -> int | None:
        """The column of one of these names; None if there is none."""
        return next((self.columns.index(name) for name in names if name in self.columns), None)

    @property
    def has_regions(self) -> bool:
        """Whether it gives a region of interest for each picture."""
        return all(name in self.columns for name in _REGION)


@dataclass(frozen=True)
class Row:
    """A picture: its path beside the table, as it stands there, its class, and its region of interest."""

    file: str
    of_class: str
    region: Region | None


def tables_in(found: Sequence[Entry]) -> list[Table]:
    """The tables of pictures and their classes among the entries of a folder.

    Raises:
        InputError: a CSV file can't be read.
    """
    files = [one for one in found if not one.is_folder and one.oddity is None and one.name.lower().endswith(".csv")]
    tables = [_table(one.path) for one in files]
    return [one for one in tables if one.place(_FILES) is not None and one.place(_CLASSES) is not None]


def table_for(tables: Sequence[Table], folder: str, use: Use) -> Table:
    """The one of several tables that a use takes, by `train`, `val` or `test` in its name.

    Raises:
        InputError: it is not certain which.
    """
    if len(tables) == 1:
        return tables[0]
    parts: dict[str, Table] = {}
    for table in tables:
        words = re.findall("[a-z]+", os.path.basename(table.path).lower())
        for part in {SPELLINGS[word] for word in words if word in SPELLINGS}:
            if part in parts:
                raise InputError(f"{table.path}: a second table for {part}; expected one")
            parts[part] = table
    if not parts:
        raise InputError(
            f"{folder}: {len(tables)} tables of pictures; expected one, or train, val and test in their names"
        )
    return part_for(use, parts, folder)


def rows_of(table: Table) -> Iterator[Row]:
    """The rows of a table.

    Raises:
        InputError: it is damaged, absurdly large, or lacks a value.
    """
    file_at, class_at = table.place(_FILES), table.place(_CLASSES)
    region_at = [table.columns.index(name) for name in _REGION] if table.has_regions else None
    assert file_at is not None
    try:
        with io.TextIOWrapper(open_regular(table.path), "utf-8-sig", newline="") as text:
            for number, cells in enumerate(csv.reader(text, delimiter=table.delimiter), 1):
                if number == 1 or not cells:
                    continue
                where = f"{table.path}: line {number}"
                if len(cells) != len(table.columns):
                    raise InputError(f"{where} has {len(cells)} columns; expected {len(table.columns)}")
                if number > MAX_IMAGES:
                    raise InputError(f"{table.path}: more than {MAX_IMAGES} lines; expected a line a picture")
                of_class = "" if class_at is None else cells[class_at].strip()
                yield Row(cells[file_at].strip(), of_class, _region([cells[at] for at in region_at or ()], where))
    except (OSError, ValueError, csv.Error) as error:
        raise _unreadable(table.path, error) from error


def regions_by_name(found: Sequence[Entry]) -> dict[str, Region]:
    """Regions of interest of the pictures of one class folder, by file name, from a table that lies with them.

    Raises:
        InputError: it is damaged.
    """
    files = [one for one in found if not one.is_folder and one.oddity is None and one.name.lower().endswith(".csv")]
    tables = [table for table in map(_table, (one.path for one in files)) if table.has_regions]
    rows = [row for table in tables if table.place(_FILES) is not None for row in rows_of(table)]
    return {os.path.basename(row.file): row.region for row in rows if row.region is not None}


def picture_paths(table: Table, rows: Sequence[Row]) -> list[str]:
    """Where the pictures of a table are: beside it, and behind no link.

    Raises:
        InputError: a path leads elsewhere.
    """
    folder = os.path.dirname(table.path)
    links: dict[str, bool] = {}
    paths = []
    for row in rows:
        parts = row.file.replace("\\", "/").split("/")
        if not row.file or os.path.isabs(row.file) or "\0" in row.file or any(part in ("", "..") for part in parts):
            raise InputError(f'{table.path}: "{shown(row.file)}"; expected paths of pictures beside the table')
        for depth in range(1, len(parts)):
            inner = os.path.join(folder, *parts[:depth])
            if inner not in links:
                links[inner] = os.path.islink(inner)
            if links[inner]:
                raise InputError(f"{inner}: a link, which is not followed; expected a folder")
        paths.append(os.path.join(folder, *parts))
    return paths


def classes_of(
    table: Table, rows: Sequence[Row], known: tuple[str, ...] | None
) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Labels int64 [n] and the class names: the classes are numbers, which are the labels, or names.

    Raises:
        InputError: a class is missing, absurd, or not one of the run's.
    """
    found = [normal(row.of_class) for row in rows]
    names = sorted(set(found))
    are_numbers = all(name.isascii() and name.isdigit() and len(name) < 10 for name in names)
    if are_numbers and (known is None or set(names).isdisjoint(known)):
        return checked_labels(np.array([int(name) for name in found]), len(found), table.path), known
    if "" in names:
        raise InputError(f"{table.path}: line {found.index('') + 2} has no class; expected one for each picture")
    ids, class_names = folder_classes(names, known, table.path)
    by_name = dict(zip(names, ids, strict=True))
    log.info("%s: the labels are those of this table", table.path)
    return np.array([by_name[name] for name in found], np.int64), class_names


def _table(path: str) -> Table:
    try:
        with open_regular(path, follow_links=False) as file:
            if file.seek(0, io.SEEK_END) > _MAX_BYTES:
                raise ValueError(f"more than {_MAX_BYTES} bytes")
            file.seek(0)
            header = file.read(_MAX_HEADER).decode("utf-8-sig", "replace").split("\n")[0].strip()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    delimiter = ";" if header.count(";") > header.count(",") else ","
    columns = next(csv.reader([header], delimiter=delimiter), [])
    return Table(path, delimiter, tuple(name.strip().lower() for name in columns))


def _region(cells: Sequence[str], where: str) -> Region | None:
    if not cells:
        return None
    try:
        left, top, right, bottom = (int(cell) for cell in cells)
    except ValueError as error:
        raise InputError(
            f"{where}: a region of interest of {shown(', '.join(cells))}; expected whole numbers"
        ) from error
    return left, top, right, bottom


def _unreadable(path: str, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else " ".join(str(error).split())
    return InputError(f"{path}: cannot be read ({reason[:200]}); expected a table of pictures, CSV in UTF-8")
