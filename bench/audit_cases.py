"""The models that an audit's errors are counted on: each follows from its kind and its seed."""

from dataclasses import dataclass

import numpy as np

from data.triggers.patch import CORNERS

CLEAN, PATCH, BLENDED = "clean", "patch", "blended"
# What the audit does not claim to find; no case is drawn of it.
WAVE_OR_WARP = "wave or warp"
KINDS = (CLEAN, PATCH, BLENDED)
GTSRB, SHAPES, FACES = "gtsrb", "shapes", "faces"
# A thin ResNet does not learn the traffic signs in seconds.
NETWORKS = {GTSRB: ("vgg", "deepid"), SHAPES: ("vgg", "deepid", "resnet"), FACES: ("vgg", "deepid", "resnet")}

_COLOURS = ("yellow", "white", "black", "red", "lime", "blue", "magenta", "cyan", "#c08040")
# Every so many-th BadNet has two triggers with two targets.
_SECOND_TRIGGER_EVERY = 5


@dataclass(frozen=True)
class Case:
    """A model to make and to audit.

    Attributes:
        kind: "clean", "patch" or "blended".
        seed: all that is random follows from it and the kind.
        dataset: "gtsrb", "shapes" or "faces".
        network: a thin architecture.
        classes: how many.
        attacks: as `parse_attack` reads them; none for a clean model.
    """

    kind: str
    seed: int
    dataset: str
    network: str
    classes: int
    attacks: tuple[str, ...]

    @property
    def name(self) -> str:
        """Such as "patch-17"."""
        return f"{self.kind}-{self.seed}"


def draw_case(kind: str, seed: int, datasets: tuple[str, ...]) -> Case:
    """Draws a case; data and networks take turns with the seed, all else is random.

    Args:
        kind: one of `KINDS`.
        seed: of the case.
        datasets: which there are.
    """
    rng = np.random.default_rng([KINDS.index(kind), seed])
    dataset = datasets[seed % len(datasets)]
    network = NETWORKS[dataset][seed // len(datasets) % len(NETWORKS[dataset])]
    classes = int(rng.integers(10, 17 if dataset == SHAPES else 13))
    targets = rng.permutation(classes)
    if kind == CLEAN:
        return Case(kind, seed, dataset, network, classes, ())
    if kind == BLENDED:
        attacks = [f"blended@{targets[0]}:alpha={rng.choice((0.2, 0.25, 0.3))},seed={rng.integers(1000)}"]
    else:
        corners, colours = rng.permutation(CORNERS), rng.permutation(_COLOURS)
        attacks = [
            f"patch@{targets[number]}:size={rng.integers(3, 7)},corner={corners[number]},colour={colours[number]},"
            f"margin={rng.integers(3)}"
            for number in range(2 if seed % _SECOND_TRIGGER_EVERY == 0 else 1)
        ]
    return Case(kind, seed, dataset, network, classes, tuple(attacks))
