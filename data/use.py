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
repair has seen. Data with a single part is that part, whatever it is called, unless the user chose another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from goodnet.data.errors import InputError
from goodnet.data.progress import log

TRAIN, VAL, TEST = "train", "val", "test"
# Data that is not in parts.
WHOLE = "all"
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


@dataclass(frozen=True)
class Use:
    """What images are opened for.

    Attributes:
        flag: the flag that names them.
        parts: what is taken of data in several parts, the first that is there.
        is_chosen: whether the user said so: then no other part will do.
    """

    flag: str
    parts: tuple[str, ...]
    is_chosen: bool = False

    CLEAN: ClassVar[Use]
    TEST: ClassVar[Use]
    POISONED: ClassVar[Use]
    TRAINING: ClassVar[Use]


Use.CLEAN = Use("clean_data", (VAL, TRAIN))
Use.TEST = Use("test_data", (TEST,))
Use.POISONED = Use("poisoned_data", (TEST,))
Use.TRAINING = Use("dataset", (TRAIN,))


def part_for(use: Use, found: Mapping[str, _Found], where: str) -> _Found:
    """The part of data that a use takes.

    Args:
        use: what for.
        found: what there is, by `TRAIN`, `VAL` and `TEST`, or `WHOLE` alone; at least one.
        where: the file or folder, for messages.

    Raises:
        InputError: there are several parts, and none that is made for the use, or not the one that was chosen.
    """
    if len(found) == 1 and (WHOLE in found or not use.is_chosen):
        return next(iter(found.values()))
    for part in use.parts:
        if part in found:
            others = _listed(other for other in found if other != part)
            log.info("%s: --%s takes %s%s", where, use.flag, part, f", and leaves {others} alone" if others else "")
            return found[part]
    wanted = " or ".join(use.parts)
    raise InputError(
        f"{where}: holds {_listed(found)}; expected {wanted} for --{use.flag}"
        + ("" if use.is_chosen else ", or one set alone")
    )


def _listed(parts: Iterable[str]) -> str:
    return " and ".join(sorted(parts))
