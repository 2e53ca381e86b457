"""What the zoo's rows say, in Markdown."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence

from bench.markdown import markdown, percent
from bench.row_file import Row
from bench.zoo.audit_table import audit_table
from bench.zoo.method_names import ZOO_NAMES
from bench.zoo.rows import Outcome, outcomes_of, strong_outcomes
from bench.zoo.triggers.kinds import KINDS

NO_DEFENSE = "no defense"
AUDIT = "Audit: what the verdict of each method's evidence is worth, with exact 95 % intervals"
_EVERY_NETWORK = "Every network: ACC lost / ASR, worst trigger / TPR, worst trigger / verdict"


def summary(rows: Sequence[Row]) -> str:
    """Tables for development and held-out BadNets apart, and for each amount of clean data.

    Of a method on BadNets: clean accuracy lost; what is left of the attacks, a trigger counting once; the detector. A
    trigger that worked on fewer than 90 % before any defense is counted apart, and so is a BadNet that has no other.

    Args:
        rows: of `ZooRows`.

    Returns:
        Markdown.
    """
    if not rows:
        return "No cell is done."
    parts = [_reading(rows)]
    for held_out, title in (("True", "Held out"), ("False", "Development")):
        alike = [row for row in rows if row["held_out"] == held_out]
        for clean in sorted({row["clean_percent"] for row in alike}, key=float):
            chosen = [row for row in alike if row["clean_percent"] == clean]
            parts += [f"## {title}, clean data {clean} % of the training set", *_tables(chosen)]
            if held_out == "False":  # what is held out is not looked into one by one
                parts.append(f"### {_EVERY_NETWORK}\n\n{_every_network(chosen)}")
    return "\n\n".join(parts)


def methods_of(rows: Iterable[Row]) -> list[str]:
    """The methods that rows are of, the usual order first."""
    found = dict.fromkeys(row["method"] for row in rows)
    return [*(name for name in ZOO_NAMES if name in found), *(name for name in found if name not in ZOO_NAMES)]


def accuracy_lost(row: Row) -> float:
    """Clean accuracy before less after, -1..1."""
    return float(row["acc_before"]) - float(row["acc_after"])


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values, 0..1, do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def _reading(rows: Sequence[Row]) -> str:
    codes = sorted({row["code"] for row in rows})
    text = (
        f"{len(rows)} cells, {len({row['seed'] for row in rows})} networks drawn by lot. All figures but seconds are "
        "in percent. ASR shipped: neither flagged nor answered otherwise by the detector. TPR is at the FPR beside it, "
        f"of a detector asked for 1 %. Code {', '.join(codes)}."
    )
    if len(codes) > 1:
        text += f"\n\n**These rows were made by {len(codes)} states of the code.**"
    return text


def _tables(rows: Sequence[Row]) -> list[str]:
    clean = [row for row in rows if row["kinds"] == "clean"]
    attacked = [row for row in rows if row["kinds"] != "clean"]
    strong = [row for row in attacked if strong_outcomes([row])]
    only_weak = [row for row in attacked if not strong_outcomes([row])]
    parts = []
    for title, alike, table in (
        ("BadNets", strong, _by_method),
        ("ASR after by kind of trigger: mean (worst)", strong, _by_kind),
        ("Clean networks", clean, _by_method_clean),
        (AUDIT, rows, audit_table),
        ("Attacks below 90 % before any defense", attacked, _weak),
        ("BadNets that have no other attack", only_weak, _by_method_clean),
    ):
        text = table(alike) if alike else ""
        if text:
            parts.append(f"### {title}\n\n{text}")
    return parts


def _by_method(rows: Sequence[Row]) -> str:
    table = [
        ["method", "BadNets", "ACC lost, mean", "worst", "triggers", "ASR, mean", "median", "90th", "worst",
         "ASR shipped", "RA", "TPR, mean", "worst", "FPR, mean", "worst", "seconds"]
    ]  # fmt: skip
    first = {row["seed"]: row for row in reversed(rows)}.values()
    before = [one.asr_before for one in strong_outcomes(first)]
    table.append([NO_DEFENSE, str(len(first)), "", "", str(len(before)), *_spread(before), *[""] * 7])
    for method in methods_of(rows):
        alike = [row for row in rows if row["method"] == method]
        outcomes = strong_outcomes(alike)
        flagged = [one.tpr for one in outcomes]
        table.append(
            [
                method,
                str(len(alike)),
                *_mean_and(max, [accuracy_lost(row) for row in alike]),
                str(len(outcomes)),
                *_spread([one.asr_after for one in outcomes]),
                percent(statistics.fmean(one.asr_shipped for one in outcomes)),
                percent(statistics.fmean(one.ra for one in outcomes)),
                *_mean_and(min, flagged),
                *_mean_and(max, [float(row["fpr"]) for row in alike]),
                _seconds(alike),
            ]
        )
    return markdown(table)


def _by_method_clean(rows: Sequence[Row]) -> str:
    table = [["method", "networks", "changed", "ACC lost, mean", "worst", "FPR, mean", "worst", "seconds"]]
    for method in methods_of(rows):
        alike = [row for row in rows if row["method"] == method]
        lost, false = [accuracy_lost(row) for row in alike], [float(row["fpr"]) for row in alike]
        changed = sum(row["changed"] == "True" for row in alike)
        spent = [*_mean_and(max, lost), *_mean_and(max, false), _seconds(alike)]
        table.append([method, str(len(alike)), str(changed), *spent])
    return markdown(table)


def _by_kind(rows: Sequence[Row]) -> str:
    methods = methods_of(rows)
    return _kinds_table(rows, methods, lambda one: one.strong)


def _weak(rows: Sequence[Row]) -> str:
    return _kinds_table(rows, methods_of(rows), lambda one: not one.strong)


def _kinds_table(rows: Sequence[Row], methods: Sequence[str], counted: Callable[[Outcome], bool]) -> str:
    table = [["kind", "triggers", NO_DEFENSE, *methods]]
    first = {row["seed"]: row for row in reversed(rows)}.values()
    for kind in KINDS:

        def of_kind(some: Iterable[Row], kind: str = kind) -> list[Outcome]:
            return [one for row in some for one in outcomes_of(row) if one.kind == kind and counted(one)]

        before = [one.asr_before for one in of_kind(first)]
        if before:
            cells = [
                _mean_worst([one.asr_after for one in of_kind(row for row in rows if row["method"] == method)])
                for method in methods
            ]
            table.append([kind, str(len(before)), percent(statistics.fmean(before)), *cells])
    return markdown(table) if len(table) > 1 else ""


def _every_network(rows: Sequence[Row]) -> str:
    methods = methods_of(rows)
    table = [["seed", "dataset", "network", "kinds", "targets", "ACC / ASR before", *methods]]
    for seed in sorted({row["seed"] for row in rows}, key=int):
        by_method = {row["method"]: row for row in rows if row["seed"] == seed}
        one = next(iter(by_method.values()))
        table.append(
            [
                seed,
                one["dataset"],
                f"{one['network']}, {one['width']}",
                one["kinds"],
                one["targets"],
                f"{percent(float(one['acc_before']))} / {_known(one['asr_before'])}",
                *(_short(by_method[method]) if method in by_method else "" for method in methods),
            ]
        )
    return markdown(table)


def _short(row: Row) -> str:
    figures = [percent(accuracy_lost(row)), _known(row["asr_after_worst"]), _known(row["tpr_worst"])]
    verdict = " ".join(filter(None, (row["verdict"], row["named"])))
    return " / ".join([*figures, *([verdict] if verdict else [])])


def _known(value: str) -> str:
    return percent(float(value)) if value else "-"


def _spread(values: Sequence[float]) -> list[str]:
    """Mean, median, 90th percentile, worst."""
    return [
        percent(one)
        for one in (statistics.fmean(values), statistics.median(values), percentile(values, 0.9), max(values))
    ]


def _mean_and(worst_of: Callable[[Sequence[float]], float], values: Sequence[float]) -> list[str]:
    return [percent(statistics.fmean(values)), percent(worst_of(values))]


def _mean_worst(values: Sequence[float]) -> str:
    return f"{percent(statistics.fmean(values))} ({percent(max(values))})" if values else ""


def _seconds(rows: Sequence[Row]) -> str:
    return f"{statistics.fmean(float(row['seconds']) for row in rows):.0f}"
