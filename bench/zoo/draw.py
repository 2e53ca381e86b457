"""What a seed of the zoo stands for: everything about a BadNet, drawn by lot from the seed alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.datasets import FACES, GTSRB, PHOTOGRAPHS
from bench.zoo.triggers import kinds
from bench.zoo.triggers.catalogue import ZooTrigger, draw_trigger
from goodnet.data.errors import InputError

CLASSES = {GTSRB: 43, PHOTOGRAPHS: 10, FACES: 48}
DEEPID, VGG, RESNET, MOBILENET = "deepid", "vgg", "resnet", "mobilenet"
NETWORKS = (DEEPID, VGG, RESNET, MOBILENET)

DEVELOPMENT_SEEDS = 100
HELD_OUT_FROM = 1000

_CLEAN_SHARE = 0.25
_TRIGGERS, _OF_SO_MANY = (1, 2, 3), (0.6, 0.25, 0.15)
# Sets of faces, each of other people.
_FACE_SETS = 4
# A clean-label attack has its target's images only; in GTSRB these classes have enough of them.
_LARGE_CLASSES = (1, 2, 4, 5, 10, 12, 13, 38)
# Of the target's own images (clean-label), of all images where decoys have to be told apart, and of all otherwise.
_SHARES = {kinds.CLEAN_LABEL: (0.7, 0.95), kinds.WANET: (0.16, 0.22)}
_USUAL_SHARE = (0.05, 0.12)


@dataclass(frozen=True)
class AttackDraw:
    """A trigger and the label that it leads to."""

    trigger: ZooTrigger
    target: int


@dataclass(frozen=True)
class Draw:
    """A BadNet, or a clean network, that can be trained.

    Attributes:
        seed: what all else follows from; also of training.
        dataset: "gtsrb", "photographs" or "faces".
        network: one of NETWORKS.
        wide: the wider of its two widths.
        attacks: none for a clean network; several may share a target.
        poison_share: of the training images, or with a clean-label attack of its target's; 0 for a clean network.
        length: of training, as a share of the usual number of epochs.
        max_shift: pixels, of the random shifts in training.
        faces_seed: of the people; no meaning elsewhere.
    """

    seed: int
    dataset: str
    network: str
    wide: bool
    attacks: tuple[AttackDraw, ...]
    poison_share: float
    length: float
    max_shift: int
    faces_seed: int

    @property
    def held_out(self) -> bool:
        """Whether nobody may look into it."""
        return self.seed >= HELD_OUT_FROM

    @property
    def width(self) -> str:
        """For people: "narrow" or "wide"."""
        return "wide" if self.wide else "narrow"

    @property
    def description(self) -> dict[str, Any]:
        """Everything, of plain JSON types."""
        fields = {name: value for name, value in vars(self).items() if name != "attacks"}
        return {**fields, "attacks": [{"target": one.target, **one.trigger.description} for one in self.attacks]}

    def __str__(self) -> str:
        """One line for --list; of a held-out draw nothing that one might look into."""
        if self.held_out:
            return f"{self.seed:5d}  held out"
        attacks = ", ".join(f"{one.trigger.kind} -> {one.target}" for one in self.attacks) or "clean"
        return f"{self.seed:5d}  {self.dataset:<11}  {self.network:<9}  {self.width:<6}  {attacks}"


def draw(seed: int) -> Draw:
    """Draws a BadNet; the same seed always gives the same.

    Raises:
        InputError: the seed is neither for development nor held out.
    """
    _check_seed(seed)
    rng = np.random.default_rng(seed)
    dataset = _one_of(tuple(CLASSES), rng)
    network = _one_of(NETWORKS, rng)
    wide = bool(rng.random() < 0.5)
    attacks = () if rng.random() < _CLEAN_SHARE else _attacks(dataset, rng)
    low, high = next((_SHARES[one.trigger.kind] for one in attacks if one.trigger.kind in _SHARES), _USUAL_SHARE)
    return Draw(
        seed=seed,
        dataset=dataset,
        network=network,
        wide=wide,
        attacks=attacks,
        # Several triggers divide the share between them, so each gets a little less than it would alone.
        poison_share=round(float(rng.uniform(low, high)) * (1 + 0.25 * (len(attacks) - 1)), 3) if attacks else 0.0,
        length=round(float(rng.uniform(0.8, 1.25)), 2),
        max_shift=int(rng.integers(1, 4)),
        faces_seed=int(rng.integers(_FACE_SETS)),
    )


def _attacks(dataset: str, rng: np.random.Generator) -> tuple[AttackDraw, ...]:
    choice = [kind for kind in kinds.KINDS if kind != kinds.PAINT or dataset == FACES]
    first = _one_of(choice, rng)
    if first == kinds.CLEAN_LABEL:
        labels = _LARGE_CLASSES if dataset == GTSRB else range(CLASSES[dataset])
        return (AttackDraw(draw_trigger(first, rng), int(rng.choice(labels))),)
    count = int(rng.choice(_TRIGGERS, p=_OF_SO_MANY))
    others = [kind for kind in choice if kind != kinds.CLEAN_LABEL]
    alike = rng.random() < 0.5
    drawn = [first, *(first if alike else _one_of(others, rng) for _ in range(count - 1))]
    targets = rng.choice(CLASSES[dataset], count, replace=False)
    if rng.random() < 0.3:
        targets[:] = targets[0]
    return tuple(AttackDraw(draw_trigger(kind, rng), int(target)) for kind, target in zip(drawn, targets, strict=True))


def _one_of(choice: Any, rng: np.random.Generator) -> Any:
    return choice[rng.integers(len(choice))]


def parse_seeds(text: str) -> tuple[int, ...]:
    """Reads the value of --seeds: numbers and ranges with commas, as in "3", "0:20" (0 to 19) or "0:4,1000:1100".

    Raises:
        InputError: it is none.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,6})(?::([0-9]{1,6}))?", part.strip(), re.ASCII)
        first, last = (int(match[1]), int(match[2] or int(match[1]) + 1) - 1) if match else (0, -1)
        if last < first:
            raise InputError(
                f'--seeds={text}: "{part}" is neither a seed nor a range; expected, for example, 0:20 or 3,5'
            )
        _check_seed(first)
        _check_seed(HELD_OUT_FROM - 1 if first < DEVELOPMENT_SEEDS <= last else last)
        seeds.extend(range(first, last + 1))
    return tuple(dict.fromkeys(seeds))


def _check_seed(seed: int) -> None:
    if not (0 <= seed < DEVELOPMENT_SEEDS or seed >= HELD_OUT_FROM):
        raise InputError(
            f"--seeds: {seed} is no seed of the zoo; expected 0 to {DEVELOPMENT_SEEDS - 1} (development), or "
            f"{HELD_OUT_FROM} and up (held out)"
        )
