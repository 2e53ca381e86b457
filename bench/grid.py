"""The cells of the benchmark of defenses: attacks that the zoo does not draw, and what they are compared with.

A cell is one repair of one BadNet. "No defense" is no cell: every repair measures the BadNet as it was, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.benchmark_flags import names_matching
from bench.datasets import FACES, FACES_AT_SCALE, GTSRB
from goodnet.pipeline.methods.names import NAMES

# A dataset, a network in `ARCHITECTURES`, an attack in `bench.recipes`.
_CASES = (
    (GTSRB, "vgg", "patch"),  # what the next ones are compared with
    (GTSRB, "vgg", "all-to-all"),
    (GTSRB, "vgg", "source-specific"),
    (GTSRB, "vgg", "pruning-aware"),
    (GTSRB, "vgg", "large-patch"),
    (GTSRB, "vgg", "strong-pattern"),
    (FACES, "deepid", "sunglasses"),
    (FACES, "deepid", "multi"),
)
_AT_SCALE = (FACES_AT_SCALE, "deepid", "sunglasses")
_PERCENT = 5


@dataclass(frozen=True)
class BadNet:
    """A suspect.

    Attributes:
        dataset: a name that `bench.datasets` knows.
        network: a name in `ARCHITECTURES`.
        attack: a name that `bench.recipes` knows.
        seed: of training and data.
    """

    dataset: str
    network: str
    attack: str
    seed: int

    @property
    def name(self) -> str:
        """For people and --cells, as in "gtsrb/vgg/patch/seed0"."""
        return f"{self.dataset}/{self.network}/{self.attack}/seed{self.seed}"

    @property
    def clean_percent(self) -> int | None:
        """How many clean images the defender has, in percent of the training set's size; None for all of their file."""
        return None if self.dataset == FACES_AT_SCALE else _PERCENT


@dataclass(frozen=True)
class Cell:
    """One repair.

    Attributes:
        badnet: the suspect.
        method: one of `pipeline.methods.names.NAMES`.
    """

    badnet: BadNet
    method: str

    @property
    def name(self) -> str:
        """For people and --cells, as in "gtsrb/vgg/patch/seed0/full"."""
        return f"{self.badnet.name}/{self.method}"


def all_cells(seed: int) -> tuple[Cell, ...]:
    """Every case with every method; the large one, which takes long, with `full` alone."""
    cells = [Cell(BadNet(*case, seed), method) for case in _CASES for method in NAMES]
    return (*cells, Cell(BadNet(*_AT_SCALE, seed), "full"))


def chosen_cells(cells: Sequence[Cell], wanted: str) -> tuple[Cell, ...]:
    """The cells whose names match.

    Args:
        cells: to choose from, at least one.
        wanted: the value of --cells, a regular expression that is to be somewhere in the name.

    Raises:
        InputError: it is none, or no cell matches.
    """
    chosen = names_matching([cell.name for cell in cells], wanted)
    return tuple(cell for cell in cells if cell.name in chosen)
