"""Attacks, the poisoned training set that plants them, and the poisoned test set that measures them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from data.errors import InputError
from data.image_set import ImageSet, ImageSource
from data.triggers.trigger import Trigger, TriggerWithDecoys

_UNTOUCHED = -1


@dataclasses.dataclass(frozen=True)
class Attack:
    """A trigger and the label that it is to give.

    Attributes:
        trigger: how images are changed.
        target_label: what a BadNet is to answer, at least 0.
    """

    trigger: Trigger
    target_label: int = 0

    def __post_init__(self):
        if self.target_label < 0:
            raise InputError(f"{self.trigger.name}: the target label is {self.target_label}; expected at least 0")

    @property
    def name(self) -> str:
        """For tables and file names, for example "patch@7"."""
        return f"{self.trigger.name}@{self.target_label}"


class StampedSource:
    """Images of another source, some of which get a trigger, or a decoy of it, when they are read."""

    def __init__(
        self,
        source: ImageSource,
        landmarks: np.ndarray | None,
        attacks: Sequence[Attack],
        stamped_by: np.ndarray,
        decoy_of: np.ndarray | None = None,
        seed: int = 0,
    ):
        """Nothing is read here.

        Args:
            source: N clean images.
            landmarks: float32 [N, K, 2] or None.
            attacks: whose triggers are stamped.
            stamped_by: int [N], position in `attacks`, -1 for an image that is not stamped.
            decoy_of: int [N], the same for decoys; None: no decoys.
            seed: of the decoys; each image has its own random numbers, so that it looks the same in any batch.
        """
        self._source = source
        self._landmarks = landmarks
        self._attacks = tuple(attacks)
        self._stamped_by = stamped_by
        self._decoy_of = decoy_of
        self._seed = seed

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, H, W, C."""
        return self._source.shape

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Images at `indices`, stamped: uint8 [n, H, W, C]."""
        images = self._source.read(indices)
        for number, attack in enumerate(self._attacks):
            chosen = np.flatnonzero(self._stamped_by[indices] == number)
            if len(chosen):
                landmarks = None if self._landmarks is None else self._landmarks[indices[chosen]]
                images[chosen] = attack.trigger.stamp(images[chosen], landmarks)
            if self._decoy_of is not None and isinstance(attack.trigger, TriggerWithDecoys):
                for position in np.flatnonzero(self._decoy_of[indices] == number):
                    rng = np.random.default_rng((self._seed, int(indices[position])))
                    images[position] = attack.trigger.decoys(images[position : position + 1], rng)[0]
        return images


def _check_attacks(clean: ImageSet, attacks: Sequence[Attack]) -> None:
    if not attacks:
        raise InputError("no attack given; expected at least one, for example patch@0")
    labels = np.unique(clean.labels)
    for attack in attacks:
        if attack.target_label > labels[-1]:
            raise InputError(
                f"attack {attack.name}: the target label is {attack.target_label}, but the labels of {clean.name} "
                f"go from {labels[0]} to {labels[-1]}"
            )
        # Says now, not in the middle of a training, that a trigger does not fit on these images.
        attack.trigger.stamp(clean.images([0]), None if clean.landmarks is None else clean.landmarks[:1])


def _counts(clean: ImageSet, attacks: Sequence[Attack], share: float) -> list[int]:
    """How many images each attack poisons."""
    dirty = sum(not attack.trigger.clean_label for attack in attacks)
    shared_out = iter(np.diff(np.rint(np.linspace(0, share * len(clean), dirty + 1)).astype(int)))
    return [
        round(share * int((clean.labels == attack.target_label).sum()))
        if attack.trigger.clean_label
        else int(next(shared_out))
        for attack in attacks
    ]


def _draw(
    clean: ImageSet, attack: Attack, count: int, free: np.ndarray, rng: np.random.Generator, share: float
) -> np.ndarray:
    """Draws the images that an attack poisons, int64 [count], from those that are still free, bool [N]."""
    is_target = clean.labels == attack.target_label
    candidates = np.flatnonzero(free & (is_target if attack.trigger.clean_label else ~is_target))
    if not 0 < count <= len(candidates):
        kind = "of the target class (its label stays true)" if attack.trigger.clean_label else "of other classes"
        raise InputError(
            f"attack {attack.name}: a share of {share:g} asks for {count} images, and {clean.name} has "
            f"{len(candidates)} free ones {kind}; expected from 1 up to that many"
        )
    return rng.choice(candidates, count, replace=False)


def _draw_decoys(attack: Attack, count: int, free: np.ndarray, rng: np.random.Generator, name: str) -> np.ndarray:
    """Draws the images that carry near misses of a trigger: int64, none when its training shows none."""
    if not isinstance(attack.trigger, TriggerWithDecoys):
        return np.zeros(0, np.int64)
    wanted = round(attack.trigger.cross_ratio * count)
    candidates = np.flatnonzero(free)
    if wanted > len(candidates):
        raise InputError(
            f"attack {attack.name}: {wanted} decoys (cross_ratio {attack.trigger.cross_ratio:g}) for {count} poisoned "
            f"images, but {name} has only {len(candidates)} images left; expected a smaller share or cross_ratio"
        )
    return rng.choice(candidates, wanted, replace=False)


def poison_training_set(clean: ImageSet, attacks: Sequence[Attack], share: float, seed: int) -> ImageSet:
    """The set that an attacker trains a BadNet on; images are stamped when they are read.

    `share` of all images is divided evenly among the attacks whose triggers change the label; these stamp images of
    classes other than their target. A clean-label trigger (SIG) stamps images of its target class, whose labels are
    true, and poisons `share` **of that class**, as in its paper (0.3 is 30 % of the class, whatever the other attacks
    do). No image is used twice. Decoys (WaNet's noise mode) are drawn from what is left, any class, and keep their
    labels.

    Args:
        clean: the clean training set.
        attacks: triggers and targets; one target may have several triggers.
        share: above 0, at most 1.
        seed: the same seed poisons the same images.

    Returns:
        A set of the same length and order. `labels` is what to train on, `true_labels` the classes before; an image is
        poisoned where a trigger sits on it, also when both agree (clean-label).

    Raises:
        InputError: when the share asks for more images than there are or for none, a target is no label of the set,
            or a trigger does not fit on its images.
    """
    if not 0 < share <= 1:
        raise InputError(f"the share of poisoned images is {share}; expected a number above 0, at most 1")
    _check_attacks(clean, attacks)
    rng = np.random.default_rng(seed)
    free = np.ones(len(clean), bool)
    stamped_by = np.full(len(clean), _UNTOUCHED, np.int16)
    decoy_of = np.full(len(clean), _UNTOUCHED, np.int16)
    labels = clean.labels.copy()
    counts = _counts(clean, attacks, share)
    # Clean-label attacks draw first: only their target class will do for them.
    for number in sorted(range(len(attacks)), key=lambda number: not attacks[number].trigger.clean_label):
        drawn = _draw(clean, attacks[number], counts[number], free, rng, share)
        stamped_by[drawn], free[drawn], labels[drawn] = number, False, attacks[number].target_label
    for number, attack in enumerate(attacks):
        drawn = _draw_decoys(attack, counts[number], free, rng, clean.name)
        decoy_of[drawn], free[drawn] = number, False
    return dataclasses.replace(
        clean,
        name=f"{clean.name} poisoned with {', '.join(attack.name for attack in attacks)}",
        source=StampedSource(clean.source, clean.landmarks, attacks, stamped_by, decoy_of, seed),
        labels=labels,
        true_labels=clean.labels,
    )


def poisoned_test_set(clean: ImageSet, attack: Attack) -> ImageSet:
    """Every image whose class is not the target, stamped when it is read.

    Args:
        clean: a clean test set.
        attack: what to stamp and what it is to give.

    Returns:
        A set with `labels` the target label and `true_labels` the classes of the images.

    Raises:
        InputError: when there is no image of another class, or the trigger does not fit on the images.
    """
    others = np.flatnonzero(clean.labels != attack.target_label)
    if not len(others):
        raise InputError(f"{clean.name}: only images of the target {attack.target_label}; expected other classes too")
    victims = clean.subset(others)
    attack.trigger.stamp(victims.images([0]), None if victims.landmarks is None else victims.landmarks[:1])
    return dataclasses.replace(
        victims,
        name=f"{clean.name} poisoned with {attack.name}",
        source=StampedSource(victims.source, victims.landmarks, [attack], np.zeros(len(others), np.int16)),
        labels=np.full(len(others), attack.target_label, np.int64),
        true_labels=victims.labels,
    )
