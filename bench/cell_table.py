"""The table of the benchmark of defenses, in Markdown."""

from collections.abc import Sequence

from bench.markdown import markdown, percent
from bench.row_file import Row


def cell_table(rows: Sequence[Row]) -> str:
    """A line for each cell, figures in percent.

    Args:
        rows: by `bench.cells.COLUMNS`.
    """
    if not rows:
        return "No cell is done."
    head = ["cell", "clean data", "ACC before", "after", "ASR before", "after", "RA", "TPR", "FPR", "seconds"]
    codes = sorted({row["code"] for row in rows})
    return (
        f"{len(rows)} cells, all figures but seconds in percent. ASR and TPR: the mean over triggers, and in brackets "
        "the worst where there are several; * marks an attack below 90 % before any defense. Code "
        f"{', '.join(codes)}.\n\n{markdown([head, *map(_line, rows)])}"
    )


def _line(row: Row) -> list[str]:
    weak = " *" if row["strength"] == "weak" else ""
    return [
        row["cell"],
        f"{row['clean_percent']} %" if row["clean_percent"] else f"all {row['clean_images']}",
        *(_known(row[name]) for name in ("acc_before", "acc_after")),
        _known(row["asr_before"]) + weak,
        _mean_and_worst(row, "asr_after"),
        _known(row["ra"]),
        _mean_and_worst(row, "tpr"),
        _known(row["fpr"]),
        f"{float(row['seconds']):.0f}",
    ]


def _known(value: str) -> str:
    return percent(float(value)) if value else "-"


def _mean_and_worst(row: Row, column: str) -> str:
    mean, worst = _known(row[column]), _known(row[f"{column}_worst"])
    return mean if mean == worst else f"{mean} ({worst})"
