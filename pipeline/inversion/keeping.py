"""Keeping inverted triggers, and labels in order, in files, so that a resumed run does not invert again."""

import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pipeline.inversion.trigger import InvertedTrigger
from pipeline.outputs import write_whole


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


def kept_triggers(path: str, invert: Callable[[], Sequence[InvertedTrigger]]) -> tuple[InvertedTrigger, ...]:
    """The triggers in a file, all of one image size or none at all; if there is no file yet, those that `invert` finds.

    Args:
        path: as in `kept_columns`.
        invert: finds the triggers.
    """

    def columns() -> dict[str, np.ndarray]:
        triggers = invert()
        return {
            "label": np.array([trigger.label for trigger in triggers], np.int64),
            "mask": np.array([trigger.mask for trigger in triggers], np.float32),
            "pattern": np.array([trigger.pattern for trigger in triggers], np.float32),
            "success": np.array([trigger.success for trigger in triggers], np.float64),
            "uniform": np.array([trigger.uniform for trigger in triggers], bool),
        }

    kept = kept_columns(path, columns)
    rows = zip(*(kept[name] for name in ("label", "mask", "pattern", "success", "uniform")), strict=True)
    return tuple(
        InvertedTrigger(int(label), mask, pattern, float(success), bool(uniform))
        for label, mask, pattern, success, uniform in rows
    )


def kept_labels(path: str, order: Callable[[], Sequence[int]]) -> tuple[int, ...]:
    """The labels in a file; if there is none yet, those that `order` gives, which are then kept there.

    Args:
        path: as in `kept_columns`.
        order: gives the labels.
    """
    kept = kept_columns(path, lambda: {"label": np.array(order(), np.int64)})
    return tuple(map(int, kept["label"]))
