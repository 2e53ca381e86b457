"""The figure of the benchmark: what a defense leaves of the attack, against what it costs."""

import io
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from bench.grid import DEVELOPMENT, HELD_OUT, METHODS
from bench.row_file import Row
from bench.table import NO_DEFENSE, cleans, one_a_badnet, value

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart; and shapes, for grey prints.
_STYLES = {
    NO_DEFENSE: ("#666666", "x"),
    "fine-tuning": ("#0072B2", "o"),
    "fine-pruning": ("#E69F00", "s"),
    "full": ("#009E73", "D"),
}
_DPI = 130


def scatter(rows: Sequence[Row]) -> bytes:
    """Attack success after defense against clean accuracy lost, a panel for each amount of clean data.

    Only attacks that worked before any defense, of seed 0. Filled: held out; hollow: what the methods were developed
    on.

    Args:
        rows: of `Results`.

    Returns:
        A PNG.
    """
    roles = (HELD_OUT, DEVELOPMENT)
    strong = [row for row in rows if row["strength"] == "strong" and row["seed"] == "0" and row["role"] in roles]
    shown = cleans(strong) or ["5%"]
    figure = Figure(figsize=(1.2 + 4.6 * len(shown), 4.8), dpi=_DPI, layout="constrained")
    panels = figure.subplots(1, len(shown), squeeze=False, sharex=True, sharey=True)[0]
    for axes, clean in zip(panels, shown, strict=True):
        _draw(axes, [row for row in strong if row["clean"] == clean])
        axes.set_title(
            "all clean data" if clean == "all" else f"clean data: {clean.replace('%', ' %')} of the training set"
        )
        axes.set_xlabel("clean accuracy lost")
    panels[0].set_ylabel("attack success after defense")
    figure.legend(handles=_legend(), loc="outside lower center", ncols=3, frameon=False)
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()


def _draw(axes: Axes, rows: Sequence[Row]) -> None:
    axes.axvline(0, color="#cccccc", linewidth=1, zorder=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylim(-0.04, 1.04)
    for row in one_a_badnet(rows):
        _mark(axes, NO_DEFENSE, 0.0, value(row, "asr_before"), hollow=False)
    for method in METHODS:
        for row in rows:
            if row["method"] == method:
                hollow = row["role"] == DEVELOPMENT
                _mark(axes, method, value(row, "acc_lost"), value(row, "asr_after"), hollow)


def _mark(axes: Axes, method: str, lost: float | None, success: float | None, hollow: bool) -> None:
    if lost is not None and success is not None:
        colour, marker = _STYLES[method]
        face = "none" if hollow else colour
        axes.plot([lost], [success], marker, color=colour, markerfacecolor=face, markersize=7, alpha=0.8, clip_on=False)


def _legend() -> list[Line2D]:
    methods = [
        Line2D([], [], linestyle="", marker=marker, color=colour, label=method)
        for method, (colour, marker) in _STYLES.items()
    ]
    roles = [
        Line2D([], [], linestyle="", marker="o", color="black", markerfacecolor=face, label=role)
        for role, face in ((HELD_OUT, "black"), (DEVELOPMENT, "none"))
    ]
    return [*methods, *roles]
