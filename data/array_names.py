"""Which of the named arrays of a file are the images and the labels: the names that people give them.

`data` and `label` (CSAW), `images` and `labels`, `x` and `y`, in capitals too, alone or for a part of the data:
`x_train`, `X_train`, `train_x`, `train_images`, `train_set_x`, `x_test`, ...
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from goodnet.data.errors import InputError, shown
from goodnet.data.use import SPELLINGS, WHOLE, Use, part_for
from goodnet.export.array_sets import IMAGE_NAMES

_LABELS = ("label", "labels", "y", "Y")
TRUE_LABELS = "true_label"


@dataclass(frozen=True)
class Pair:
    """Names of arrays that belong together.

    Attributes:
        images: of the images.
        labels: of the labels.
        is_whole: whether they are all of the data, not a part such as `train`: side data then belongs to them.
    """

    images: str
    labels: str
    is_whole: bool


def _spelled(word: str) -> Iterator[tuple[str, str]]:
    """(part, name) for each way to name an array of a kind."""
    yield WHOLE, word
    for spelling, part in SPELLINGS.items():
        for name in (f"{word}_{spelling}", f"{spelling}_{word}", f"{spelling}_set_{word}"):
            yield part, name


_IMAGE_NAMES = tuple(one for word in IMAGE_NAMES for one in _spelled(word))
_LABEL_NAMES = tuple(one for word in _LABELS for one in _spelled(word))
# All names that mean something.
KNOWN_NAMES = tuple(name for _, name in (*_IMAGE_NAMES, *_LABEL_NAMES))


def find_pair(names: Collection[str], where: str, use: Use) -> Pair:
    """Finds the images and their labels.

    Args:
        names: of all arrays; those that mean nothing here are left alone.
        where: the file or folder, for messages.
        use: what the images are opened for.

    Raises:
        InputError: there are no images or no labels among them, or several that could be meant.
    """
    images, labels = _by_part(_IMAGE_NAMES, names, where), _by_part(_LABEL_NAMES, names, where)
    pairs = {part: Pair(images[part], labels[part], part == WHOLE) for part in images if part in labels}
    if not pairs:
        raise InputError(f"{where}: {_lack(images, labels)}; found {_found(names)}")
    if WHOLE in pairs and len(pairs) > 1:
        listed = ", ".join(f'"{pair.images}"' for pair in pairs.values())
        raise InputError(f"{where}: images are in {listed}; expected either a whole or its parts")
    return part_for(use, pairs, where)


def _by_part(known: tuple[tuple[str, str], ...], names: Collection[str], where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part, name in known:
        if name in names:
            if part in found:
                raise InputError(f'{where}: both "{found[part]}" and "{name}" could be meant; expected one of them')
            found[part] = name
    return found


def _lack(images: dict[str, str], labels: dict[str, str]) -> str:
    if not images and not labels:
        return 'no images and labels; expected arrays such as "data" and "label", "images" and "labels", "x" and "y"'
    if not images:
        return f'no images for "{next(iter(labels.values()))}"; expected an array such as "data", "images" or "x"'
    if not labels:
        return f'no labels for "{next(iter(images.values()))}"; expected an array such as "label", "labels" or "y"'
    return "images and labels are of different parts"


def _found(names: Collection[str]) -> str:
    return ", ".join(f'"{shown(name)}"' for name in list(names)[:8]) or "nothing"
