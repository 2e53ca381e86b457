"""The zoo's figure: what each method leaves of the attacks, against what it costs, and by kind of trigger."""

import io
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from bench.row_file import Row
from bench.zoo.method_names import ZOO_NAMES
from bench.zoo.rows import outcomes_of, strong_outcomes
from bench.zoo.summary import accuracy_lost, methods_of
from bench.zoo.triggers.kinds import KINDS

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart; and shapes, for grey prints.
_COLOURS = ("#009E73", "#0072B2", "#E69F00", "#CC79A7", "#56B4E9", "#D55E00")
_MARKERS = ("D", "o", "s", "^", "v", "P")
_DPI = 130


def figure(rows: Sequence[Row]) -> bytes:
    """Draws two panels of what worked before.

    Left: the worst attack of each BadNet after repair against clean accuracy lost; clean networks at the bottom line.
    Right: each trigger's attack success after repair, by kind. Filled: held out;
    hollow: development.

    Args:
        rows: of `ZooRows`.

    Returns:
        A PNG.
    """
    picture = Figure(figsize=(12, 5), dpi=_DPI, layout="constrained")
    left, right = picture.subplots(1, 2, width_ratios=(1, 1.3), sharey=True)
    methods = methods_of(rows)
    for number, method in enumerate(methods):
        place = ZOO_NAMES.index(method) if method in ZOO_NAMES else len(ZOO_NAMES) + number
        colour, marker = _COLOURS[place % len(_COLOURS)], _MARKERS[place % len(_MARKERS)]
        for row in (row for row in rows if row["method"] == method):
            look = {"color": colour, "markerfacecolor": colour if row["held_out"] == "True" else "none", "alpha": 0.8}
            worked = strong_outcomes([row])
            if worked or row["kinds"] == "clean":
                worst = max((one.asr_after for one in worked), default=0.0)
                left.plot([accuracy_lost(row)], [worst], marker, clip_on=False, **look)
            for one in (one for one in outcomes_of(row) if one.strong):
                beside = (number - (len(methods) - 1) / 2) * 0.18
                right.plot(
                    [KINDS.index(one.kind) + beside], [one.asr_after], marker, markersize=5, clip_on=False, **look
                )
        left.plot([], [], marker, color=colour, label=method)
    left.axvline(0, color="#cccccc", linewidth=1, zorder=0)
    left.xaxis.set_major_formatter(PercentFormatter(1))  # as many decimals as tell the ticks apart
    left.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    left.set(xlabel="clean accuracy lost", ylabel="attack success after repair", ylim=(-0.02, 1.02))
    right.set_xticks(range(len(KINDS)), KINDS, rotation=35, ha="right")
    right.set_xlim(-0.6, len(KINDS) - 0.4)
    right.grid(axis="y", color="#eeeeee")
    if methods:
        picture.legend(loc="outside upper center", ncols=max(1, len(methods)), frameon=False)
    image = io.BytesIO()
    picture.savefig(image, format="png")
    return image.getvalue()
