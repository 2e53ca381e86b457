"""Keeping inverted triggers in a file, so that a resumed run does not invert again."""

import os
from collections.abc import Callable, Sequence

import numpy as np

from pipeline.inversion.trigger import InvertedTrigger
from pipeline.outputs import write_whole


def kept_triggers(path: str, invert: Callable[[], Sequence[InvertedTrigger]]) -> tuple[InvertedTrigger, ...]:
    """The triggers in a file; if there is none yet, those that `invert` finds, which are then kept there.

    Args:
        path: an .npz file of a run's working folder; it appears whole or not at all.
        invert: finds the triggers.
    """
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_triggers(path, invert())
    return read_triggers(path)


def write_triggers(path: str, triggers: Sequence[InvertedTrigger]) -> None:
    """Writes triggers, all of one image size or none at all."""
    columns = {
        "label": np.array([trigger.label for trigger in triggers], np.int64),
        "success": np.array([trigger.success for trigger in triggers], np.float64),
        "uniform": np.array([trigger.uniform for trigger in triggers], bool),
        "mask": np.array([trigger.mask for trigger in triggers], np.float32),
        "pattern": np.array([trigger.pattern for trigger in triggers], np.float32),
    }
    write_whole(path, lambda unfinished: np.savez_compressed(unfinished, **columns))


def read_triggers(path: str) -> tuple[InvertedTrigger, ...]:
    """Reads what `write_triggers` wrote."""
    with np.load(path, allow_pickle=False) as file:
        rows = zip(*(file[name] for name in ("label", "mask", "pattern", "success", "uniform")), strict=True)
        return tuple(
            InvertedTrigger(int(label), mask, pattern, float(success), bool(uniform))
            for label, mask, pattern, success, uniform in rows
        )
