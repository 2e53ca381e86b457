"""The tables of the benchmark, in Markdown."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.grid import METHODS, ROLES
from bench.row_file import Row

NO_DEFENSE = "no defense"
_WEAK = "weak"

Worst = Callable[[Sequence[float]], float]


@dataclass(frozen=True)
class _Figure:
    """A column: what it is called, which value of a row it shows, and which end of it is the worst."""

    title: str
    mean: str
    worst: str
    worst_of: Worst
    before: str | None = None  # the column of the same figure before any defense
    unit: str = "%"


_FIGURES = (
    _Figure("ACC", "acc_after", "acc_after", min, "acc_before"),
    _Figure("ACC lost", "acc_lost", "acc_lost", max),
    _Figure("worst class lost", "worst_class_lost", "worst_class_lost", max),
    _Figure("ASR", "asr_after", "asr_after_worst", max, "asr_before"),
    _Figure("RA", "ra_after", "ra_after_worst", min, "ra_before"),
    _Figure("DER", "der", "der_worst", min),
    _Figure("TPR", "tpr", "tpr_worst", min),
    _Figure("FPR", "fpr", "fpr", max),
    _Figure("AUROC", "auroc", "auroc_worst", min),
    _Figure("seconds", "seconds", "seconds", max, unit=""),
)


def summary(rows: Sequence[Row]) -> str:
    """Mean and worst by method, apart for what the methods were developed on, and every cell.

    Args:
        rows: of `Results`.

    Returns:
        Markdown; each figure is "mean (worst)", in percent.
    """
    if not rows:
        return "No cell is done."
    parts = [_reading(rows)]
    for role in ROLES:
        for clean in cleans(rows):
            chosen = [row for row in rows if (row["role"], row["clean"], row["seed"]) == (role, clean, "0")]
            for title, alike in (
                ("", [row for row in chosen if row["strength"] not in (_WEAK, "")]),
                (", attack below 90 % before defense", [row for row in chosen if row["strength"] == _WEAK]),
                (", no attack at all", [row for row in chosen if row["strength"] == ""]),
            ):
                if alike:
                    parts.append(f"### {role}, clean data {clean}{title}\n\n{_by_method(alike)}")
    if len(seeds := {row["seed"] for row in rows}) > 1:
        parts.append(f"### {len(seeds)} seeds: mean over seeds (lowest to highest)\n\n{_by_seed(rows)}")
    parts.append(f"### every cell: ACC lost / ASR / TPR\n\n{_every_cell(rows)}")
    return "\n\n".join(parts)


def percent(share: float) -> str:
    """For people: 0.123 is "12.3"."""
    return f"{100 * share:.1f}"


def value(row: Row, column: str) -> float | None:
    """A figure of a row; None where it does not apply."""
    if column == "acc_lost":
        before, after = value(row, "acc_before"), value(row, "acc_after")
        return None if before is None or after is None else before - after
    return float(row[column]) if row[column] != "" else None


def cleans(rows: Iterable[Row]) -> list[str]:
    """The amounts of clean data, the usual one first, the scarce one last."""
    return sorted({row["clean"] for row in rows}, key=lambda clean: {"5%": 0, "all": 1}.get(clean, 2))


def one_a_badnet(rows: Iterable[Row]) -> list[Row]:
    """The first row of every BadNet; one that was trained again, for other methods, is the same BadNet."""
    names = ("dataset", "network", "attack", "seed")
    return list({tuple(row[name] for name in names): row for row in reversed(list(rows))}.values())


def _reading(rows: Sequence[Row]) -> str:
    codes = sorted({row["code"] for row in rows})
    versions = sorted({row["versions"] for row in rows})
    lines = [
        f"{len(rows)} cells. Each figure is the mean over cells, and in brackets the worst of them, in percent. ACC, "
        "ASR, RA and DER are the repaired classifier's, TPR, FPR and AUROC the detector's; an attack with several "
        "triggers counts once, with their mean, and with the worst of them in brackets.",
        f"Code {', '.join(codes)}; {' / '.join(versions)}.",
    ]
    if len(codes) > 1:
        lines.append(f"**These rows were made by {len(codes)} states of the code.**")
    return "\n\n".join(lines)


def _by_method(rows: Sequence[Row]) -> str:
    table = [["method", "cells", *(figure.title for figure in _FIGURES)]]
    badnets = one_a_badnet(rows)
    before = [
        _mean_and_worst(
            figure, [(value(row, figure.before),) * 2 for row in badnets] if figure.before is not None else []
        )
        for figure in _FIGURES
    ]
    table.append([NO_DEFENSE, str(len(badnets)), *before])
    for method in METHODS:
        of_method = [row for row in rows if row["method"] == method]
        if of_method:
            figures = [
                _mean_and_worst(figure, [(value(row, figure.mean), value(row, figure.worst)) for row in of_method])
                for figure in _FIGURES
            ]
            table.append([method, str(len(of_method)), *figures])
    return markdown(table)


def _mean_and_worst(figure: _Figure, values: Iterable[tuple[float | None, float | None]]) -> str:
    known = [(mean, worst) for mean, worst in values if mean is not None and worst is not None]
    if not known:
        return ""
    mean = sum(one for one, _ in known) / len(known)
    worst = figure.worst_of([one for _, one in known])
    if figure.unit == "%":
        return f"{percent(mean)} ({percent(worst)})"
    return f"{mean:.0f} ({worst:.0f})"


def _by_seed(rows: Sequence[Row]) -> str:
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["dataset"], row["network"], row["attack"], row["clean"], row["method"]].append(row)
    columns = ("acc_lost", "asr_after", "der", "tpr", "fpr")
    table = [["BadNet", "clean data", "method", "seeds", "ACC lost", "ASR", "DER", "TPR", "FPR"]]
    for (dataset, network, attack, clean, method), alike in groups.items():
        if len(alike) > 1:
            spans = [_span([known for row in alike if (known := value(row, name)) is not None]) for name in columns]
            table.append([f"{dataset} {network} {attack}", clean, method, str(len(alike)), *spans])
    return markdown(table)


def _span(values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{percent(sum(values) / len(values))} ({percent(min(values))} to {percent(max(values))})"


def _every_cell(rows: Sequence[Row]) -> str:
    groups: dict[tuple[str, ...], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        groups[row["dataset"], row["network"], row["attack"], row["seed"], row["clean"]][row["method"]] = row
    table = [["dataset", "network", "attack", "seed", "clean data", "role", "ACC / ASR before", *METHODS]]
    for key, by_method in groups.items():
        first = next(iter(by_method.values()))
        before = " / ".join(_percent_or_dash(first, name) for name in ("acc_before", "asr_before"))
        cells = [
            " / ".join(_percent_or_dash(by_method[method], name) for name in ("acc_lost", "asr_after", "tpr"))
            if method in by_method
            else ""
            for method in METHODS
        ]
        table.append([*key, first["role"], before, *cells])
    return markdown(table)


def _percent_or_dash(row: Row, column: str) -> str:
    known = value(row, column)
    return "-" if known is None else percent(known)


def markdown(table: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up in plain text too; the first row is its head."""
    widths = [max(3, *(len(row[column]) for row in table)) for column in range(len(table[0]))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in table
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
