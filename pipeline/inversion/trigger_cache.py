"""A cache of inverted triggers in files, so that a resumed run does not invert again."""

import os
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import fields

import numpy as np

from goodnet.data.errors import InputError
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.run.output_files import write_whole

_NAMES = tuple(field.name for field in fields(InvertedTrigger))


def cached_triggers(path: str | None, find: Callable[[], Sequence[InvertedTrigger]]) -> tuple[InvertedTrigger, ...]:
    """The triggers in a file; if there is none yet, those that `find` finds, which are then kept there.

    Args:
        path: an .npz file of a run's working folder; it appears whole or not at all. None keeps nothing.
        find: finds the triggers.

    Raises:
        InputError: the file cannot be read, or is of a version of this program that kept something else.
    """
    if path is None:
        return tuple(find())
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        found = find()
        kept = {name: np.array([getattr(one, name) for one in found]) for name in _NAMES}
        write_whole(path, lambda unfinished: np.savez_compressed(unfinished, **kept))
    try:
        with np.load(path, allow_pickle=False) as file:
            columns = {name: file[name] for name in file.files}
    except (EOFError, OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"--resume: {path}: {error}; expected a run without --resume") from error
    if set(columns) != set(_NAMES):
        raise InputError(f"--resume: {path} is of another version of this program; expected a run without --resume")
    rows = zip(*(columns[name] for name in _NAMES), strict=True)
    return tuple(InvertedTrigger(*(value if value.ndim else value.item() for value in row)) for row in rows)
