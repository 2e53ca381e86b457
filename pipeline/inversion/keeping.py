"""Keeping inverted triggers, and labels in order, in files, so that a resumed run does not invert again."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import TypeVar

import numpy as np

from data.errors import InputError
from pipeline.inversion.trigger import InvertedTrigger
from pipeline.inversion.warps import InvertedWarp
from pipeline.inversion.waves import InvertedWave
from pipeline.outputs import write_whole

_Found = TypeVar("_Found", InvertedTrigger, InvertedWarp, InvertedWave)


def kept_columns(path: str, make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays in a file; if there is none yet, those that `make` gives, which are then kept there.

    Args:
        path: an .npz file of a run's working folder; it appears whole or not at all.
        make: gives the arrays, by name.
    """
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        columns = dict(make())
        write_whole(path, lambda unfinished: np.savez_compressed(unfinished, **columns))
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def kept_found(path: str, kind: type[_Found], find: Callable[[], Sequence[_Found]]) -> tuple[_Found, ...]:
    """The triggers in a file, all of one kind; if there is none yet, those that `find` finds, then kept there.

    Args:
        path: as in `kept_columns`.
        kind: their dataclass, whose fields are numbers, and arrays that have the same shape in all of them.
        find: finds the triggers.

    Raises:
        InputError: the file is of a version of this program that kept something else.
    """
    names = [field.name for field in fields(kind)]

    def columns() -> dict[str, np.ndarray]:
        found = find()
        return {name: np.array([getattr(one, name) for one in found]) for name in names}

    kept = kept_columns(path, columns)
    if set(kept) != set(names):
        raise InputError(f"--resume: {path} is of another version of this program; expected a run without --resume")
    rows = zip(*(kept[name] for name in names), strict=True)
    return tuple(kind(*(value if value.ndim else value.item() for value in row)) for row in rows)


def kept_labels(path: str, order: Callable[[], Sequence[int]]) -> tuple[int, ...]:
    """The labels in a file; if there is none yet, those that `order` gives, which are then kept there.

    Args:
        path: as in `kept_columns`.
        order: gives the labels.
    """
    kept = kept_columns(path, lambda: {"label": np.array(order(), np.int64)})
    return tuple(map(int, kept["label"]))
