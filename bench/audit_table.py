"""How often an audit is wrong, by kind of model, with exact intervals."""

from collections import Counter
from collections.abc import Sequence

from bench.audit_cases import BLENDED, CLEAN, PATCH
from bench.audit_trials import FALSE_ALARM, FOUND, INCONCLUSIVE, MISSED, RIGHTLY_CLEAN, WEAK, WRONG_TARGET
from bench.row_file import Row
from pipeline.measuring.exact import exact_interval
from pipeline.measuring.rates import Rate

_OUTCOMES = {
    CLEAN: (RIGHTLY_CLEAN, INCONCLUSIVE, FALSE_ALARM),
    PATCH: (FOUND, WRONG_TARGET, INCONCLUSIVE, MISSED),
    BLENDED: (FOUND, WRONG_TARGET, INCONCLUSIVE, MISSED),
}


def error_table(rows: Sequence[Row]) -> str:
    """Markdown: of each kind of model, how often the audit said what, with the 95 % interval of Clopper and Pearson.

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
    weak = Counter(row["kind"] for row in rows if row["outcome"] == WEAK)
    if weak:
        left_out = ", ".join(f"{weak[kind]} {kind}" for kind in _OUTCOMES if weak[kind])
        lines += ["", f"Left out, as accuracy or attack were too weak: {left_out}."]
    return "\n".join(lines)


def percent(rate: Rate) -> str:
    """Such as "2.5 % [0.1, 13.2]"."""
    low, high = exact_interval(rate)
    return f"{100 * rate.value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
