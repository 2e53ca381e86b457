"""What a set of images is opened for, and which part of data that holds several parts that means.

Data is often kept in one place as `train`, `val` and `test`: arrays of one archive, sub-folders, or tables. Whoever
opens it for a use gets the part that is made for it, and the log says which:

| use | parts taken, the first that is there |
|---|---|
| clean images to repair or audit with | `val`, `train` |
| images that are only measured on | `test` |
| poisoned images, only measured on | `test` |
| images to train a BadNet on | `train` |

Test images are never taken for clean ones while there are others, since figures would then be measured on what the
repair has seen. Data with a single part is that part, whatever it is called.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import TypeVar

from goodnet.data.errors import InputError
from goodnet.data.progress import log

TRAIN, VAL, TEST = "train", "val", "test"
# How people spell the parts.
SPELLINGS: Mapping[str, str] = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VAL,
    "valid": VAL,
    "validation": VAL,
    "test": TEST,
    "testing": TEST,
}

_Found = TypeVar("_Found")


class Use(enum.Enum):
    """What images are opened for, in the words of the flag that names them."""

    CLEAN = "clean_data"
    TEST = "test_data"
    POISONED = "poisoned_data"
    TRAINING = "dataset"


_PARTS = {Use.CLEAN: (VAL, TRAIN), Use.TEST: (TEST,), Use.POISONED: (TEST,), Use.TRAINING: (TRAIN,)}


def part_for(use: Use, found: Mapping[str, _Found], where: str) -> _Found:
    """The part of data that a use takes.

    Args:
        use: what for.
        found: what there is, by `TRAIN`, `VAL` and `TEST`; at least one.
        where: the file or folder, for messages.

    Raises:
        InputError: there are several parts, and none that is made for the use.
    """
    if len(found) == 1:
        return next(iter(found.values()))
    for part in _PARTS[use]:
        if part in found:
            others = _listed(other for other in found if other != part)
            log.info("%s: --%s takes %s, and leaves %s alone", where, use.value, part, others)
            return found[part]
    raise InputError(
        f"{where}: holds {_listed(found)}; expected {' or '.join(_PARTS[use])} for --{use.value}, or one set alone"
    )


def _listed(parts: Iterable[str]) -> str:
    return " and ".join(sorted(parts))
