"""One list of class names for all image sets of a run, and how class folders get their numbers.

The order of the list is the order of the model's outputs. It comes from --class_names, or else from the clean set;
whoever knows the model checks that it has a name for each output (`models.classifier.check_fits`), so that a folder
that is missing cannot shift the classes behind it. Test and poisoned sets are read against the list, by name.

The names of class folders, in this order:

1. There is a list, and one of the names is in it: all must be, and each is the class that it names in the list. Classes
   without a folder are classes without images.
2. All names are numbers: they are the labels, whether or not there are gaps (0, 1, 10, 11), and 007 is 7. Keras would
   number such folders in the order of their names as text (0, 1, 10, 11, 2), which differs from ten folders on unless
   the numbers are padded. Nothing in the folder tells which way a model was trained: a warning says so.
3. There is no list: the names, sorted as text like Keras and torchvision do, are the classes 0, 1, ... A warning says
   where that differs from the natural order (class_10 before class_2).
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from absl import logging

from goodnet.data import labels as label_checks
from goodnet.data.errors import InputError, shown
from goodnet.data.image_set import ImageSet
from goodnet.export.regular_files import open_regular

_MAX_FILE_BYTES = 2**24
_FLAG = "--class_names=FILE gives the names in the order of the model's outputs"


def read_class_names(path: str | None) -> tuple[str, ...] | None:
    """Reads a list of class names: UTF-8 text, a name a line, in the order of the model's outputs.

    Args:
        path: of the file, or the value of a flag that was not given. Spaces around a name do not count, nor do empty
            lines at the end.

    Returns:
        The names; None without a file.

    Raises:
        InputError: it cannot be read, a name is missing or there twice.
    """
    if not path:
        return None
    try:
        with open_regular(path) as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise ValueError(f"more than {_MAX_FILE_BYTES} bytes")
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise InputError(f"--class_names={path}: {reason}; expected UTF-8 text, a class name a line") from error
    names = tuple(normal(line.strip()) for line in text.rstrip().replace("\r\n", "\n").split("\n"))
    for number, name in enumerate(names, 1):
        if not name:
            raise InputError(f"--class_names={path}: line {number} is empty; expected a class name a line")
        if (first := names.index(name) + 1) != number:
            raise InputError(
                f'--class_names={path}: "{shown(name)}" stands in lines {first} and {number}; expected each name once'
            )
    return names


def normal(name: str) -> str:
    r"""A name as it is compared and kept: Unicode's composed form, and `\xff` for a byte that is not UTF-8."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "backslashreplace"))


def folder_classes(
    names: Sequence[str], known: tuple[str, ...] | None, where: str
) -> tuple[list[int], tuple[str, ...] | None]:
    """The classes of sub-folders; the module says by which rule.

    Args:
        names: of the sub-folders, at least one, sorted as text.
        known: the run's list, or None.
        where: the folder, for messages.

    Returns:
        The label of each sub-folder, and the class names if there are any: `known`, or the folders' own.

    Raises:
        InputError: a name is not in the list, two sub-folders are the same class, or a number is absurd.
    """
    found = [normal(name) for name in names]
    if known is not None and not set(found).isdisjoint(known):
        return [_position(name, known, where) for name in found], known
    if all(name.isascii() and name.isdigit() for name in found):
        return _numbers(found, where, warn=known is None), known
    if known is not None:
        raise _unknown(next(name for name in found if not name.isdigit()), known, where)
    if len(set(found)) != len(found):
        raise InputError(f"{where}: two sub-folders have the same name; expected one for each class")
    if found != sorted(found, key=_natural):
        logging.warning(
            "%s: class folders are numbered in the order of their names as text (%s, ...), as Keras and torchvision do;"
            " %s",
            where,
            ", ".join(shown(name) for name in found[:3]),
            _FLAG,
        )
    return list(range(len(found))), tuple(found)


def against(image_set: ImageSet, known: tuple[str, ...] | None) -> ImageSet:
    """A set whose classes go by the run's list.

    Args:
        image_set: a set; its labels are positions in its own class names, if it has any.
        known: the run's list, or None to leave the set as it is.

    Returns:
        The set with `known` for class names. Where it has names of its own, labels become the classes of those names.

    Raises:
        InputError: the set has images of a class that is not in the list, or labels beyond it.
    """
    own = image_set.class_names
    if known is None or own == known:
        return image_set
    if own is None:
        return dataclasses.replace(image_set, class_names=known)
    present = np.unique(image_set.labels)
    if image_set.true_labels is not None:
        present = np.union1d(present, image_set.true_labels)
    moved = np.zeros(len(own), np.int64)
    for label in present:
        moved[label] = _position(normal(own[label]), known, image_set.name)
    true_labels = None if image_set.true_labels is None else moved[image_set.true_labels]
    return dataclasses.replace(image_set, labels=moved[image_set.labels], class_names=known, true_labels=true_labels)


def target_for_each(targets: Sequence[str], poisoned: Sequence[str]) -> list[str | None]:
    """The value of --target for each poisoned set: one for all of them, or one for each (empty for none), or none.

    Raises:
        InputError: there are more, or fewer.
    """
    if not targets:
        return [None] * len(poisoned)
    if len(targets) == 1 and poisoned:
        return [targets[0] or None] * len(poisoned)
    if len(targets) != len(poisoned):
        raise InputError(
            f"--target: given {len(targets)} times for {len(poisoned)} of --poisoned_data; expected once, or as often"
        )
    return [target or None for target in targets]


def with_target(image_set: ImageSet, target: str | None) -> ImageSet:
    """A poisoned set that was sorted by the true class of its images, with what the attacker wants for labels.

    Args:
        image_set: the set; its labels are the true classes.
        target: the attacker's label, or its name in the set's class names. None leaves the set as it is; a warning says
            so if its labels look like true classes.

    Returns:
        The set: every label is the target, and the true labels are what the labels were. A set that knows its true
        labels already is left as it is, if the target is its own.

    Raises:
        InputError: there is no such class, the set has another target, or no image of another class.
    """
    if target is None:
        labels = np.unique(image_set.labels)
        if image_set.true_labels is None and len(labels) > 1:
            logging.warning(
                "%s: its images have %d labels, and all are taken for targets of the attack; if it is sorted by the"
                " true classes of its images, --target=LABEL_OR_NAME says what the attacker wants",
                image_set.name,
                len(labels),
            )
        return image_set
    label = _target(target, image_set)
    if image_set.true_labels is not None:
        if (image_set.labels != label).any():
            raise InputError(f"--target={shown(target)}: {image_set.name} says itself which targets it has, and others")
        return image_set
    if (image_set.labels == label).all():
        raise InputError(
            f"--target={shown(target)}: all images of {image_set.name} have this label; expected images sorted by their"
            " true class, or no --target"
        )
    return dataclasses.replace(image_set, labels=np.full(len(image_set), label, np.int64), true_labels=image_set.labels)


def _target(target: str, image_set: ImageSet) -> int:
    names = image_set.class_names
    if names is not None and normal(target) in names:
        return names.index(normal(target))
    if target.isascii() and target.isdigit() and len(target) < 10 and int(target) < len(names or range(10**9)):
        return int(target)
    if names is None:
        raise InputError(f"--target={shown(target)}: {image_set.name} has no class names; expected a label, 0, 1, ...")
    raise _unknown(normal(target), names, "--target")


def _position(name: str, known: tuple[str, ...], where: str) -> int:
    if name not in known:
        raise _unknown(name, known, where)
    if known.count(name) > 1:
        raise InputError(f'{where}: "{shown(name)}" is the name of two classes of this run; expected one')
    return known.index(name)


def _unknown(name: str, known: tuple[str, ...], where: str) -> InputError:
    nearest = difflib.get_close_matches(name[:100], [one[:100] for one in known[:2000]], n=1, cutoff=0.0)
    near = f'; the nearest is "{shown(nearest[0])}"' if nearest else ""
    return InputError(
        f'{where}: "{shown(name)}" is none of the {len(known)} class names of this run{near} '
        "(they are those of the clean data, or of --class_names)"
    )


def _numbers(names: list[str], where: str, warn: bool) -> list[int]:
    if max(map(len, names)) > 30 or max(map(int, names)) > label_checks.MAX_LABEL:
        largest = shown(max(names, key=len))
        raise InputError(f"{where}: class number {largest}; expected at most {label_checks.MAX_LABEL}")
    numbers = [int(name) for name in names]
    if len(set(numbers)) != len(numbers):
        raise InputError(f"{where}: two sub-folders stand for the same class number; expected one for each class")
    as_text = sorted(range(len(names)), key=lambda position: names[position])
    if (
        warn
        and sorted(numbers) == list(range(len(numbers)))
        and [numbers[position] for position in as_text] != sorted(numbers)
    ):
        logging.warning(
            '%s: the numbers of the folders are the labels ("10" is class 10); image_dataset_from_directory of '
            'Keras sorts them as text, where "10" is class 2. For a model that was trained that way: %s',
            where,
            _FLAG,
        )
    return numbers


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Sorts class_2 before class_10."""
    parts = re.split(r"(\d+)", name)
    return [(part.isdecimal(), int(part[:1000]) if part.isdecimal() else 0, part) for part in parts]
