"""The report's diagrams, as PNG files; drawn without pyplot, so that no state is shared."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from goodnet.export.printable import printable
from goodnet.pipeline.measuring.metrics import auroc, roc_curve
from goodnet.pipeline.pruning.curve import PruningCurve
from goodnet.pipeline.pruning.profile import ActivationProfile
from goodnet.pipeline.pruning.schedule import SparsityStep
from goodnet.pipeline.training.loop import Epoch

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart.
_BLUE, _ORANGE, _GREEN, _RED, _PURPLE, _SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
_CYCLE = (_BLUE, _RED, _GREEN, _PURPLE, _ORANGE, _SKY)
_GREY = "#666666"
_DPI = 130
MOST_GROUPS = 12
_BINS = 40


@dataclass(frozen=True, eq=False)
class SuspicionSample:
    """The detector's suspicions on one set of images.

    Attributes:
        name: the set.
        poisoned: whether its images carry a trigger.
        suspicions: float [n] in 0..1, n >= 1.
        sets_threshold: whether the threshold was set on these very images, so that they measure nothing.
    """

    name: str
    poisoned: bool
    suspicions: np.ndarray
    sets_threshold: bool = False


def pruning_curve_plot(curve: PruningCurve) -> bytes:
    """Clean accuracy against the share of channels closed, with its intervals, the floor and the chosen point."""
    figure, axes = _figure(7.2, 3.6)
    shares = [point.share for point in curve.points]
    accuracies = [point.accuracy.value for point in curve.points]
    lows, highs = zip(*(point.accuracy.interval for point in curve.points), strict=True)
    axes.fill_between(shares, lows, highs, color=_BLUE, alpha=0.15, linewidth=0, label="95 % interval")
    axes.plot(shares, accuracies, color=_BLUE, marker=".", markersize=4, label="clean accuracy, before any tuning")
    axes.axhline(curve.floor, color=_GREY, linestyle="--", linewidth=1, label=f"floor {100 * curve.floor:.1f} %")
    chosen = curve.points[curve.chosen]
    axes.plot(
        [chosen.share],
        [chosen.accuracy.value],
        "o",
        color=_RED,
        markersize=9,
        label=f"chosen: {100 * chosen.share:.0f} % closed, {100 * chosen.accuracy.value:.1f} % accuracy",
    )
    _percent_axes(axes, "channels closed in each group", "clean accuracy (fit images)")
    axes.set_ylim(0, 1.02)
    axes.legend(loc="lower left", frameon=False)
    axes.set_title("Accuracy as the least active channels are closed")
    return _png(figure)


def activation_profile_plot(profile: ActivationProfile, closed: Mapping[str, np.ndarray]) -> bytes:
    """The mean clean activation of every channel, sorted, one panel for each gate group (the first twelve).

    Args:
        profile: the activations.
        closed: bool [C] by gate site; empty where nothing was closed.
    """
    groups = profile.groups[:MOST_GROUPS]
    columns = min(len(groups), 3)
    rows = -(-len(groups) // columns)
    figure = Figure(figsize=(7.2, 2.7 * rows + 0.3), dpi=_DPI, layout="constrained")
    for index, group in enumerate(groups):
        axes = figure.add_subplot(rows, columns, index + 1)
        _style(axes)
        activation = profile.mean_activation[group.name]
        shut = next((closed[site] for site in group.sites if site in closed), np.zeros(len(activation), bool))
        order = np.argsort(activation, kind="stable")
        colours = np.where(shut[order], _RED, _BLUE)
        axes.bar(np.arange(len(order)), activation[order], width=1.0, color=list(colours), linewidth=0)
        cut = int(shut.sum())
        if cut:
            axes.axvline(cut - 0.5, color=_RED, linestyle="--", linewidth=1)
        axes.set_title(f"{_plain(group.name)}: {cut} of {len(order)} closed")
        axes.set_xlabel("channel, least active first")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        if index % columns == 0:
            axes.set_ylabel("mean activation")
    return _png(figure)


def sparsity_plot(trace: Sequence[SparsityStep]) -> bytes:
    """The sparsity that the schedule asked for at each step, and what each gate reached."""
    figure, axes = _figure(7.2, 3.2)
    steps = [step.step for step in trace]
    for index, site in enumerate(trace[0].reached):
        reached = [step.reached[site] for step in trace]
        colour = _CYCLE[index % len(_CYCLE)]
        axes.step(steps, reached, where="post", color=colour, linewidth=2, alpha=0.8, label=f"reached, {_plain(site)}")
    axes.plot(steps, [step.asked for step in trace], color="black", linestyle="--", linewidth=1.2, label="asked")
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("channels closed")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylim(0, max(0.05, 1.08 * max(step.asked for step in trace)))
    axes.legend(loc="lower right", frameon=False, fontsize=8, ncols=1 + (len(trace[0].reached) > 6))
    axes.set_title("Sparsity asked by the schedule and reached by the gates")
    return _png(figure)


def training_plot(history: Mapping[str, Sequence[Epoch]]) -> bytes:
    """Loss and accuracy on the training batches, epoch by epoch, one training after the other."""
    figure = Figure(figsize=(7.2, 3.2), dpi=_DPI, layout="constrained")
    panels = (figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2))
    start = 1
    for index, (name, epochs) in enumerate(history.items()):
        numbers = np.arange(start, start + len(epochs))
        for axes, values in zip(
            panels, ([epoch.loss for epoch in epochs], [epoch.accuracy for epoch in epochs]), strict=True
        ):
            colour = _CYCLE[index % len(_CYCLE)]
            axes.plot(numbers, values, marker="o", markersize=4, color=colour, label=_plain(name))
        start += len(epochs)
    for axes, title in zip(panels, ("Loss", "Accuracy"), strict=True):
        _style(axes)
        axes.set_title(f"{title} on training batches")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0].set_ylabel("cross-entropy (nats)")
    panels[0].set_ylim(bottom=0)
    panels[1].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    panels[1].legend(loc="lower right", frameon=False)
    return _png(figure)


def suspicion_plot(samples: Sequence[SuspicionSample], threshold: float) -> bytes:
    """The suspicions of the images of each set, on a logarithmic scale, since the tails decide."""
    figure, axes = _figure(7.2, 3.6)
    edges = np.linspace(0, 1, _BINS + 1)
    # Poisoned sets first, as in the ROC diagram, so that a set has the same colour in both.
    for index, sample in enumerate(sorted(samples, key=lambda sample: not sample.poisoned)):
        counts, _ = np.histogram(np.clip(sample.suspicions, 0, 1), edges)
        axes.stairs(
            counts / len(sample.suspicions),
            edges,
            color=_CYCLE[index % len(_CYCLE)],
            fill=False,
            linewidth=1.8,
            linestyle="-" if sample.poisoned else "--" if sample.sets_threshold else "-.",
            label=f"{'poisoned' if sample.poisoned else 'clean'}: {_plain(sample.name)} ({len(sample.suspicions)})",
        )
    axes.axvline(threshold, color="black", linewidth=1.2)
    axes.annotate(
        f"threshold {threshold:.3g}\nflagged to the right",
        (threshold, 1),
        xycoords=("data", "axes fraction"),
        xytext=(5 if threshold < 0.7 else -5, -4),
        textcoords="offset points",
        va="top",
        ha="left" if threshold < 0.7 else "right",
        fontsize=8,
    )
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
    axes.set_xlabel("suspicion: how much the BadNet and the repaired network contradict each other, J / (1 + J)")
    axes.set_ylabel("share of the images")
    _legend_below(figure, axes)
    axes.set_title("Suspicion of clean and poisoned images")
    return _png(figure)


def roc_plot(clean: SuspicionSample, poisoned: Sequence[SuspicionSample], threshold: float) -> bytes:
    """True against false positive rate of the suspicion for every threshold, and where the detector's own one lies."""
    figure, axes = _figure(5.2, 4.4)
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle=":", linewidth=1)
    for index, sample in enumerate(poisoned):
        colour = _CYCLE[index % len(_CYCLE)]
        false_positive, true_positive = roc_curve(clean.suspicions, sample.suspicions)
        area = auroc(clean.suspicions, sample.suspicions)
        axes.plot(false_positive, true_positive, color=colour, label=f"{_plain(sample.name)}: AUROC {area:.3f}")
        axes.plot(
            [float(np.mean(clean.suspicions > np.float32(threshold)))],
            [float(np.mean(sample.suspicions > np.float32(threshold)))],
            "o",
            color=colour,
            markersize=7,
        )
    _percent_axes(axes, f"false positive rate ({_plain(clean.name)})", "true positive rate")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.legend(loc="lower right", frameon=False)
    axes.set_title("ROC of the detector (dot: at its threshold)")
    return _png(figure)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    _style(axes)
    return figure, axes


def _style(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
    axes.title.set_fontsize(11)


def _percent_axes(axes: Axes, x: str, y: str) -> None:
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _legend_below(figure: Figure, axes: Axes) -> None:
    """Names of sets are long; under the axes they hide no curve."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", frameon=False, fontsize=8, ncols=2)


def _plain(text: object) -> str:
    """A name that Matplotlib shows as it is: no formula, no leading underscore, which would hide it in a legend."""
    shown = printable(text, 36).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
