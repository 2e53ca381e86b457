"""The zoo's rows: one for each BadNet and method, in a CSV that is always whole."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from bench.row_file import Row, RowFile
from bench.zoo.triggers import kinds

COLUMNS = (
    "cell",
    "seed",
    "held_out",
    "clean_percent",
    "dataset",
    "network",
    "width",
    "kinds",
    "method",
    "verdict",
    "named",
    "targets",
    "changed",
    "acc_before",
    "asr_before",
    "asr_before_worst",
    "acc_after",
    "asr_after",
    "asr_after_worst",
    "ra",
    "tpr",
    "tpr_worst",
    "fpr",
    "seconds",
    "triggers",
    "badnet_sha256",
    "code",
)

# Between the kinds of a row.
BETWEEN_KINDS = " + "
# Kinds of triggers in files of earlier versions, by the names that they have now.
_KINDS_NOW = {"blend": kinds.BLENDED}
# An attack below this before any defense is counted apart.
_STRONG = 0.9


@dataclass(frozen=True)
class Outcome:
    """What a repair did to one trigger; shares of the test images that are not of the target's class.

    Attributes:
        kind: of the trigger.
        target: the label it leads to.
        asr_before: attack success on the BadNet, 0..1.
        asr_after: on the repaired classifier.
        asr_shipped: on the detector: neither flagged nor answered otherwise.
        ra: given their true class by the repaired classifier.
        tpr: flagged by the detector.
    """

    kind: str
    target: int
    asr_before: float
    asr_after: float
    asr_shipped: float
    ra: float
    tpr: float

    @property
    def strong(self) -> bool:
        """Whether the attack worked before any defense."""
        return self.asr_before >= _STRONG


def strong_outcomes(rows: Iterable[Row]) -> list[Outcome]:
    """The triggers that worked before any defense."""
    return [one for row in rows for one in outcomes_of(row) if one.strong]


def outcomes_of(row: Row) -> tuple[Outcome, ...]:
    """Every trigger of a row's BadNet."""
    return tuple(Outcome(**one) for one in json.loads(row["triggers"]))


def labels_of(text: str) -> frozenset[int]:
    """The labels of the columns `named` and `targets`, which are separated by spaces."""
    return frozenset(map(int, text.split()))


def cell_name(seed: int, percent: float, method: str) -> str:
    """For example "12/5%/full"."""
    return f"{seed}/{percent:g}%/{method}"


class ZooRows(RowFile):
    """A file of the zoo's rows.

    Of a method that looks for evidence, `verdict` is what it came to and `named` has the targets that it named; of the
    others both are empty. `targets` has the true ones; `changed` says whether the network came back changed.
    """

    def __init__(self, path: str):
        """Nothing is written before a row is added."""
        super().__init__(path, COLUMNS)

    def rows(self) -> list[Row]:
        """Every row, values as text; kinds of triggers by the names that they have now."""
        return [_with_kinds_now(row) for row in super().rows()]


def _with_kinds_now(row: Row) -> Row:
    triggers = row["triggers"]
    for then, now in _KINDS_NOW.items():
        triggers = triggers.replace(f'"kind": "{then}"', f'"kind": "{now}"')
    named = [_KINDS_NOW.get(kind, kind) for kind in row["kinds"].split(BETWEEN_KINDS)]
    return {**row, "kinds": BETWEEN_KINDS.join(named), "triggers": triggers}
