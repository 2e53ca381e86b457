"""How often an audit is wrong, by kind of model, with exact intervals."""

from collections import Counter
from collections.abc import Sequence

from bench.audit_cases import BLENDED, CLEAN, PATCH, WAVE_OR_WARP
from bench.audit_trials import (
    FALSE_ALARM,
    FOUND,
    FOUND_AMONG_OTHERS,
    INCONCLUSIVE,
    MISSED,
    RIGHTLY_CLEAN,
    WEAK,
    WRONG_TARGET,
)
from bench.row_file import Row
from data.triggers.catalogue import parse_attack
from pipeline.measuring.exact import exact_interval
from pipeline.measuring.rates import Rate

_OF_A_BADNET = (FOUND, FOUND_AMONG_OTHERS, WRONG_TARGET, INCONCLUSIVE, MISSED)
_OUTCOMES = {
    CLEAN: (RIGHTLY_CLEAN, INCONCLUSIVE, FALSE_ALARM),
    PATCH: _OF_A_BADNET,
    BLENDED: _OF_A_BADNET,
    WAVE_OR_WARP: _OF_A_BADNET,
}


def error_table(rows: Sequence[Row]) -> str:
    """Markdown: of each kind of model, how often the audit said what, with the 95 % interval of Clopper and Pearson.

    Below it, of the models with a patch: how many were found on each network, and on how many the label with the
    smallest patch is a target, whatever the verdict.

    Args:
        rows: by `COLUMNS`; those of weak models are counted apart.
    """
    lines = ["| models | the audit said | count | rate, 95 % interval |", "|---|---|---|---|"]
    for kind, outcomes in _OUTCOMES.items():
        of_kind = Counter(row["outcome"] for row in rows if row["kind"] == kind)
        total = sum(of_kind.values()) - of_kind[WEAK]
        for outcome in outcomes if total else ():
            rate = Rate(of_kind[outcome], total)
            lines.append(f"| {kind} | {outcome} | {rate.count} of {rate.total} | {percent(rate)} |")
    patches = [row for row in rows if row["kind"] == PATCH and row["outcome"] != WEAK]
    if patches:
        lines += ["", _on_networks(patches)]
    weak = Counter(row["kind"] for row in rows if row["outcome"] == WEAK)
    if weak:
        left_out = ", ".join(f"{weak[kind]} {kind}" for kind in _OUTCOMES if weak[kind])
        lines += ["", f"Left out, as accuracy or attack were too weak: {left_out}."]
    return "\n".join(lines)


def _on_networks(patches: Sequence[Row]) -> str:
    networks = sorted({row["network"] for row in patches})
    of_network = {name: [row["outcome"] for row in patches if row["network"] == name] for name in networks}
    found = ", ".join(f"{name} {outcomes.count(FOUND)} of {len(outcomes)}" for name, outcomes in of_network.items())
    first = sum(row["patch_label"] in _targets(row) for row in patches)
    return f"Patches found: {found}. The smallest patch leads to a target in {first} of {len(patches)}."


def _targets(row: Row) -> set[str]:
    return {str(parse_attack(attack).target_label) for attack in row["attacks"].split()}


def percent(rate: Rate) -> str:
    """Such as "2.5 % [0.1, 13.2]"."""
    low, high = exact_interval(rate)
    return f"{100 * rate.value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
