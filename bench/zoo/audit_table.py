"""What the verdicts of a method's evidence are worth, in Markdown."""

from collections.abc import Callable, Sequence

from bench.markdown import markdown, percent
from bench.row_file import Row
from bench.zoo.rows import labels_of, strong_outcomes
from goodnet.pipeline.inversion.verdict import BACKDOOR, CLEAN, INCONCLUSIVE
from goodnet.pipeline.measuring.exact import exact_interval
from goodnet.pipeline.measuring.rates import Rate

_Holds = Callable[[Row], bool]


def audit_table(rows: Sequence[Row]) -> str:
    """How often each verdict was right, a network counting once.

    A BadNet counts if one of its triggers worked on 90 % before any defense. A verdict has to name the targets of those
    that did; to name the target of a weaker one is no mistake.

    Args:
        rows: of `ZooRows`, of one amount of clean data.

    Returns:
        A column for each method that looked for evidence, with exact 95 % intervals (Clopper and Pearson); empty if
        none did.
    """
    judged = [row for row in rows if row["verdict"]]
    methods = sorted({row["method"] for row in judged})
    table = [["networks", "the verdict", *methods]]
    for networks, counts, verdicts in _GROUPS:
        of_kind = [row for row in judged if counts(row)]
        if of_kind:
            for said, holds in verdicts:
                cells = [_rate([holds(row) for row in of_kind if row["method"] == method]) for method in methods]
                table.append([networks, said, *cells])
    return markdown(table) if len(table) > 1 else ""


def _said(verdict: str) -> _Holds:
    return lambda row: row["verdict"] == verdict


def _named_all(row: Row) -> bool:
    return row["verdict"] == BACKDOOR and {one.target for one in strong_outcomes([row])} <= labels_of(row["named"])


def _named_a_target(row: Row) -> bool:
    return row["verdict"] == BACKDOOR and bool(labels_of(row["named"]) & labels_of(row["targets"]))


def _named_an_ordinary_label(row: Row) -> bool:
    return bool(labels_of(row["named"]) - labels_of(row["targets"]))


# Of each kind of network the verdicts that it can get. Those of one kind add up to all, but for the last of BadNets.
_GROUPS: tuple[tuple[str, _Holds, tuple[tuple[str, _Holds], ...]], ...] = (
    (
        "clean",
        lambda row: not row["targets"],
        (
            ("clean", _said(CLEAN)),
            ("inconclusive", _said(INCONCLUSIVE)),
            ("backdoor: accused wrongly", _said(BACKDOOR)),
        ),
    ),
    (
        "BadNets",
        lambda row: bool(strong_outcomes([row])),
        (
            ("backdoor, every target named", _named_all),
            ("backdoor, some targets named", lambda row: _named_a_target(row) and not _named_all(row)),
            ("backdoor, no target named", lambda row: _said(BACKDOOR)(row) and not _named_a_target(row)),
            ("inconclusive", _said(INCONCLUSIVE)),
            ("clean: missed", _said(CLEAN)),
            ("backdoor, an ordinary label among those named", _named_an_ordinary_label),
        ),
    ),
)


def _rate(held: Sequence[bool]) -> str:
    if not held:
        return ""
    rate = Rate(sum(held), len(held))
    low, high = exact_interval(rate)
    return f"{percent(rate.value)} [{percent(low)}, {percent(high)}] ({rate.count}/{rate.total})"
