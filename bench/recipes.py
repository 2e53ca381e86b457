"""How each BadNet of the benchmark is trained: the arguments of `pipeline.attack`."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.datasets import FACES, FACES_AT_SCALE, GTSRB
from bench.grid import BadNet


@dataclass(frozen=True)
class _Attack:
    triggers: tuple[str, ...]
    more: tuple[str, ...] = ()
    epochs: float = 1.0  # of those of the network


@dataclass(frozen=True)
class _Training:
    epochs: int
    rate: str = "2e-3"
    max_shift: int = 2


_ATTACKS: Mapping[str, Mapping[str, _Attack]] = {
    GTSRB: {
        "patch": _Attack(("patch@7:size=4",)),
        "all-to-all": _Attack(("patch@next:size=4",), ("--poison_share=0.4",), epochs=1.5),
        # Class 1 is the largest but one.
        "source-specific": _Attack(("patch@1to7:size=4",), ("--poison_share=0.5",)),
        "pruning-aware": _Attack(("patch@7:size=4",), ("--pruning_aware=0.7",), epochs=0.6),
        # By somebody who knows that `full` looks for a change that is small.
        "large-patch": _Attack(("patch@7:size=16",)),
        "strong-pattern": _Attack(("blended@7:alpha=0.5",)),
    },
    FACES: {
        "sunglasses": _Attack(("sunglasses@0",)),
        # As in CSAW's multi-trigger multi-target BadNet.
        "multi": _Attack(("lipstick@1", "eyebrows@5", "sunglasses@8")),
    },
    FACES_AT_SCALE: {"sunglasses": _Attack(("sunglasses@0",))},
}
# Epochs such that a training takes one to two minutes of two cores.
_TRAINING: Mapping[tuple[str, str], _Training] = {
    (GTSRB, "vgg"): _Training(epochs=12),
    (FACES, "deepid"): _Training(epochs=20, max_shift=0),
    (FACES_AT_SCALE, "deepid"): _Training(epochs=35, rate="1.5e-3"),
}


def attack_arguments(badnet: BadNet) -> tuple[str, ...]:
    """The arguments of `pipeline.attack` that make a BadNet, without its files."""
    attack, training = _ATTACKS[badnet.dataset][badnet.attack], _TRAINING[badnet.dataset, badnet.network]
    return (
        f"--network={badnet.network}",
        f"--seed={badnet.seed}",
        f"--epochs={round(attack.epochs * training.epochs)}",
        f"--training_rate={training.rate}",
        f"--max_shift={training.max_shift}",
        *(f"--trigger={trigger}" for trigger in attack.triggers),
        *attack.more,
    )
