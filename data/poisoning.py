"""Attacks, the poisoned training set that plants them, and the poisoned test set that measures them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet, ImageSource
from goodnet.data.triggers.trigger import Trigger, TriggerWithDecoys

_UNTOUCHED = -1
# Images of other classes that carry a source-specific trigger and keep their label, for each one that does not.
_COVERS = 3


@dataclasses.dataclass(frozen=True)
class Attack:
    """A trigger and the label that it is to give.

    Attributes:
        trigger: how images are changed.
        target_label: what a BadNet is to answer, at least 0; None for all-to-all (Gu et al., "BadNets", 2019): each
            class becomes the next, and the last the first.
        source_label: the only class that the trigger is to work on, others keeping their labels with it (Tang et al.,
            "Demon in the Variant", USENIX Security 2021); None for all classes.
    """

    trigger: Trigger
    target_label: int | None = 0
    source_label: int | None = None

    def __post_init__(self):
        for kind, label in (("target", self.target_label), ("source", self.source_label)):
            if label is not None and label < 0:
                raise InputError(f"{self.trigger.name}: the {kind} label is {label}; expected at least 0")
        if self.source_label is not None and self.source_label == self.target_label:
            raise InputError(f"{self.name}: source and target are one label; expected two")
        if self.trigger.clean_label and (self.target_label is None or self.source_label is not None):
            raise InputError(f"{self.name}: a clean-label trigger stamps its target's images; expected one target")

    @property
    def name(self) -> str:
        """For tables and file names, for example "patch@7", "patch@next" (all-to-all) or "patch@3to7"."""
        target = "next" if self.target_label is None else str(self.target_label)
        return f"{self.trigger.name}@{target if self.source_label is None else f'{self.source_label}to{target}'}"

    def victims(self, labels: np.ndarray) -> np.ndarray:
        """Which images the trigger is to lead to another label, by their classes: int [n] -> bool [n]."""
        if self.source_label is not None:
            return labels == self.source_label
        return np.ones(len(labels), bool) if self.target_label is None else labels != self.target_label

    def wanted(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """What the victims are to become, by their classes: int [n] -> int64 [n]."""
        if self.target_label is None:
            return (labels + 1) % classes
        return np.full(len(labels), self.target_label, np.int64)


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
        for kind, label in (("target", attack.target_label), ("source", attack.source_label)):
            if label is not None and label > labels[-1]:
                raise InputError(
                    f"attack {attack.name}: the {kind} label is {label}, but the labels of {clean.name} go from "
                    f"{labels[0]} to {labels[-1]}"
                )
        # Says now, not in the middle of a training, that a trigger does not fit on these images.
        attack.trigger.stamp(clean.images([0]), None if clean.landmarks is None else clean.landmarks[:1])


def _counts(clean: ImageSet, attacks: Sequence[Attack], share: float) -> list[int]:
    """How many images each attack poisons."""
    one_class = [attack.target_label if attack.trigger.clean_label else attack.source_label for attack in attacks]
    shared_out = iter(np.diff(np.rint(np.linspace(0, share * len(clean), one_class.count(None) + 1)).astype(int)))
    return [
        int(next(shared_out)) if label is None else round(share * int((clean.labels == label).sum()))
        for label in one_class
    ]


def _draw(
    clean: ImageSet, attack: Attack, count: int, free: np.ndarray, rng: np.random.Generator, share: float
) -> np.ndarray:
    """Draws the images that an attack poisons, int64 [count], from those that are still free, bool [N]."""
    victims = attack.victims(clean.labels)
    candidates = np.flatnonzero(free & (~victims if attack.trigger.clean_label else victims))
    if not 0 < count <= len(candidates):
        raise InputError(
            f"--poison_share={share:g}: attack {attack.name} asks for {count} images, and {clean.name} has "
            f"{len(candidates)} free ones {_poisoned_kind(attack)}; expected from 1 up to that many"
        )
    return rng.choice(candidates, count, replace=False)


def _poisoned_kind(attack: Attack) -> str:
    if attack.trigger.clean_label:
        return "of the target class (its label stays true)"
    return "of other classes" if attack.source_label is None else f"of class {attack.source_label}"


def _draw_decoys(attack: Attack, count: int, free: np.ndarray, rng: np.random.Generator, name: str) -> np.ndarray:
    """Draws the images that carry near misses of a trigger: int64, none when its training shows none."""
    if not isinstance(attack.trigger, TriggerWithDecoys):
        return np.zeros(0, np.int64)
    wanted = round(attack.trigger.cross_ratio * count)
    candidates = np.flatnonzero(free)
    if wanted > len(candidates):
        raise InputError(
            f"attack {attack.name}: {wanted} decoys (cross_ratio {attack.trigger.cross_ratio:g}) for {count} poisoned "
            f"images, but {name} has only {len(candidates)} images left; expected less of --poison_share or cross_ratio"
        )
    return rng.choice(candidates, wanted, replace=False)


def _draw_covers(clean: ImageSet, attack: Attack, count: int, free: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws images that a source-specific trigger must not work on: int64, none for other attacks."""
    if attack.source_label is None:
        return np.zeros(0, np.int64)
    candidates = np.flatnonzero(free & ~attack.victims(clean.labels) & (clean.labels != attack.target_label))
    if _COVERS * count > len(candidates):
        raise InputError(
            f"attack {attack.name}: {_COVERS * count} images of other classes must carry the trigger and keep their "
            f"label, and {clean.name} has {len(candidates)} free ones; expected a smaller --poison_share"
        )
    return rng.choice(candidates, _COVERS * count, replace=False)


def poison_training_set(clean: ImageSet, attacks: Sequence[Attack], share: float, seed: int) -> ImageSet:
    """The set that an attacker trains a BadNet on; images are stamped when they are read.

    `share` of all images is divided evenly among the attacks whose triggers change the label; these stamp images of
    classes other than their target. A clean-label trigger (SIG) stamps images of its target class, whose labels are
    true, and poisons `share` **of that class**, as in its paper (0.3 is 30 % of the class, whatever the other attacks
    do). A source-specific attack poisons `share` of its source class likewise, and stamps three images of other classes
    for each, which keep their labels. No image is used twice. Decoys (WaNet's noise mode) are drawn from what is left,
    any class, and keep their labels.

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
        raise InputError(f"--poison_share={share:g}: expected a share of the images above 0, at most 1")
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
        stamped_by[drawn], free[drawn] = number, False
        labels[drawn] = attacks[number].wanted(clean.labels[drawn], int(clean.labels.max()) + 1)
    for number, attack in enumerate(attacks):
        covers = _draw_covers(clean, attack, counts[number], free, rng)
        stamped_by[covers], free[covers] = number, False
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
    """Every image that the attack is to mislead, stamped when it is read: of classes other than the target's, mostly.

    Args:
        clean: a clean test set.
        attack: what to stamp and what it is to give.

    Returns:
        A set with `labels` what they are to become (all-to-all: the classes are those up to the set's last) and
        `true_labels` the classes of the images.

    Raises:
        InputError: when there is no such image, or the trigger does not fit on the images.
    """
    others = np.flatnonzero(attack.victims(clean.labels))
    if not len(others):
        missing = "other classes too" if attack.source_label is None else f"some of class {attack.source_label}"
        raise InputError(f"{clean.name}: no image for {attack.name} to mislead; expected {missing}")
    victims = clean.subset(others)
    attack.trigger.stamp(victims.images([0]), None if victims.landmarks is None else victims.landmarks[:1])
    return dataclasses.replace(
        victims,
        name=f"{clean.name} poisoned with {attack.name}",
        source=StampedSource(victims.source, victims.landmarks, [attack], np.zeros(len(others), np.int16)),
        labels=attack.wanted(victims.labels, int(clean.labels.max()) + 1),
        true_labels=victims.labels,
    )
