"""The cells of the benchmark of defenses: which BadNets, how much clean data, which methods.

A cell is one repair of one BadNet. "No defense" is no cell: every repair measures the BadNet as it was, too.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from data.errors import InputError

GTSRB, FACES, FACES_AT_SCALE = "gtsrb", "faces", "faces-1283"
NETWORKS = ("vgg", "resnet", "deepid")
ATTACKS = ("patch", "middle-patch", "blended", "sig", "wanet", "multi", "pruning-aware")
METHODS = ("fine-tuning", "fine-pruning", "full")

# Beyond the threat model, or made to evade `full` (docs/threat-model.md).
BEYOND_ATTACKS = ("all-to-all", "source-specific", "large-patch", "strong-pattern", "fine-wave")

HELD_OUT, DEVELOPMENT, AT_SCALE = "held out", "development", "at CSAW's scale"
BEYOND = "beyond the threat model"
ROLES = (HELD_OUT, DEVELOPMENT, BEYOND, AT_SCALE)

# Clean data: percent of the size of the training set, or all of the defender's file.
ALL = None
_MAIN_PERCENT = 5
_SCARCE_PERCENT = 1
# The BadNets for which there are three seeds, and those that are repaired with scarce data too. (1 % of the faces'
# training set is 28 images of 48 identities: too few to split, and refused.)
_THREE_SEEDS = (
    (GTSRB, "vgg", "patch"),
    (GTSRB, "vgg", "blended"),
    (GTSRB, "vgg", "wanet"),
    (FACES, "deepid", "patch"),
    (FACES, "deepid", "blended"),
)
_SCARCE = tuple(case for case in _THREE_SEEDS if case[0] == GTSRB)
_QUICK = ((FACES, "deepid", "patch"), (FACES, "deepid", "blended"))

# What says most comes first, so that a run that is stopped early has it.
_FIRST = (
    *((GTSRB, "vgg", attack) for attack in ATTACKS),
    *((GTSRB, "resnet", attack) for attack in ("patch", "blended", "wanet", "middle-patch")),
    *((FACES, "deepid", attack) for attack in ("patch", "middle-patch", "blended", "sig", "multi", "pruning-aware")),
    (GTSRB, "deepid", "patch"),
    (GTSRB, "deepid", "blended"),
    (FACES, "vgg", "patch"),
    (FACES, "vgg", "blended"),
    (FACES, "resnet", "patch"),
    (GTSRB, "vgg", "clean"),
    (FACES, "deepid", "sunglasses"),
)
# Looked at while the methods were made: their figures are optimistic.
_DEVELOPED_ON = frozenset(
    {
        *((GTSRB, network, attack) for network in NETWORKS for attack in ("patch", "sig")),
        *((GTSRB, "vgg", attack) for attack in ("middle-patch", "blended", "wanet", "multi")),
        (GTSRB, "resnet", "wanet"),
        *((GTSRB, "deepid", attack) for attack in ("blended", "middle-patch")),
        (FACES, "resnet", "sig"),
        *((FACES, "deepid", attack) for attack in ATTACKS if attack not in ("sig", "wanet")),
        (FACES, "deepid", "sunglasses"),
        (GTSRB, "vgg", "clean"),
    }
)


@dataclass(frozen=True)
class BadNet:
    """A suspect.

    Attributes:
        dataset: "gtsrb", "faces" or "faces-1283".
        network: a name in `ARCHITECTURES`.
        attack: one of ATTACKS or BEYOND_ATTACKS, "sunglasses", or "clean" for none.
        seed: of training and data.
    """

    dataset: str
    network: str
    attack: str
    seed: int = 0

    @property
    def name(self) -> str:
        """For people and --cells, as in "gtsrb/vgg/patch/seed0"."""
        return f"{self.dataset}/{self.network}/{self.attack}/seed{self.seed}"

    @property
    def role(self) -> str:
        """One of ROLES. DEVELOPMENT: the methods were made with an eye on it; AT_SCALE: one recorded repair.

        BEYOND: no method here claims to stop it.
        """
        if self.dataset == FACES_AT_SCALE:
            return AT_SCALE
        if self.attack in BEYOND_ATTACKS:
            return BEYOND
        return DEVELOPMENT if (self.dataset, self.network, self.attack) in _DEVELOPED_ON else HELD_OUT


@dataclass(frozen=True)
class Cell:
    """One repair.

    Attributes:
        badnet: the suspect.
        percent: of the training set's size, how many clean images the defender has; None for all of their file.
        method: one of METHODS.
    """

    badnet: BadNet
    percent: int | None
    method: str

    @property
    def clean(self) -> str:
        """The clean data, as in "5%" or "all"."""
        return "all" if self.percent is None else f"{self.percent}%"

    @property
    def name(self) -> str:
        """For people and --cells, as in "gtsrb/vgg/patch/seed0/5%/full"."""
        return f"{self.badnet.name}/{self.clean}/{self.method}"


_Named = TypeVar("_Named", Cell, BadNet)


def all_cells() -> tuple[Cell, ...]:
    """The whole grid: seed 0, a named subset with scarce data and more seeds, attacks out of scope, the large one."""
    return tuple(dict.fromkeys(_all_cells()))


def quick_cells() -> tuple[Cell, ...]:
    """Some of the grid's cells: a few minutes, and no data but the embedded faces."""
    return tuple(cell for case in _QUICK for cell in _repairs(BadNet(*case), _MAIN_PERCENT))


def chosen_cells(cells: Sequence[_Named], wanted: str) -> tuple[_Named, ...]:
    """The cells, or the BadNets, whose names match.

    Args:
        cells: to choose from, at least one.
        wanted: the value of --cells, a regular expression that is to be somewhere in the name.

    Raises:
        InputError: it is none, or no cell matches.
    """
    try:
        names = re.compile(wanted)
    except re.error as error:
        raise InputError(f"--cells={wanted}: {error}; expected a regular expression") from error
    chosen = tuple(cell for cell in cells if names.search(cell.name))
    if not chosen:
        raise InputError(f"--cells={wanted}: no such cell; expected a part of a name such as {cells[0].name}")
    return chosen


def _all_cells() -> Iterator[Cell]:
    rest = ((dataset, network, attack) for dataset in (GTSRB, FACES) for network in NETWORKS for attack in ATTACKS)
    for case in dict.fromkeys((*_FIRST, *rest)):
        badnet = BadNet(*case)
        yield from _repairs(badnet, _MAIN_PERCENT)
        if badnet.dataset == GTSRB or badnet.role == DEVELOPMENT:
            yield from _repairs(badnet, ALL)
    for case in _SCARCE:
        yield from _repairs(BadNet(*case), _SCARCE_PERCENT)
    for seed in (1, 2):
        for case in _THREE_SEEDS:
            yield from _repairs(BadNet(*case, seed=seed), _MAIN_PERCENT)
    for attack in BEYOND_ATTACKS:
        yield from _repairs(BadNet(GTSRB, "vgg", attack), _MAIN_PERCENT)
    yield Cell(BadNet(FACES_AT_SCALE, "deepid", "sunglasses"), ALL, "full")


def _repairs(badnet: BadNet, percent: int | None) -> Iterator[Cell]:
    return (Cell(badnet, percent, method) for method in METHODS)
