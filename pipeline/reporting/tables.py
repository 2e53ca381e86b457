"""The evaluation as a table for the terminal, readable at 100 columns."""

from collections.abc import Sequence

from goodnet.export.printable import printable
from goodnet.pipeline.measuring.evaluation import (
    CLEAN,
    POISONED_UNKNOWN,
    WEAK,
    AttackSummary,
    Evaluation,
    SetFigures,
    StageFigures,
)
from goodnet.pipeline.measuring.metrics import ClassShare
from goodnet.pipeline.measuring.rates import Rate

_NONE = "-"


def format_table(evaluation: Evaluation) -> str:
    """Every set with its figures, counts and 95 % intervals, then the attacks together.

    Args:
        evaluation: what was measured.

    Returns:
        Lines of plain ASCII but for names, without a newline at the end.
    """
    blocks = [_block(figures) for figures in evaluation.sets]
    if len(evaluation.poisoned_sets) > 1:
        blocks.append(_summary_block(evaluation))
    return "\n\n".join("\n".join(block) for block in blocks)


def format_worst_classes(evaluation: Evaluation, most: int = 4) -> str:
    """The most misclassified classes of every clean set and the most attacked ones of every poisoned set.

    Args:
        evaluation: what was measured.
        most: classes to name for each network.

    Returns:
        A line a network, without a newline at the end; empty where nothing was misclassified or attacked.
    """
    blocks = []
    for figures in evaluation.sets:
        lines = [_worst_line(stage, most) for stage in figures.stages if _wronged(stage)]
        if lines:
            what = "misclassified" if figures.kind == CLEAN else "attacked"
            title = f"{printable(figures.name, 50)}: most {what} classes (images, most common answer)"
            blocks.append("\n".join([title, *lines]))
    return "\n\n".join(blocks)


def _wronged(stage: StageFigures) -> list[ClassShare]:
    return [share for share in stage.worst_classes if share.rate.count]


def _worst_line(stage: StageFigures, most: int) -> str:
    classes = [
        f"{share.label} ({share.rate.count}/{share.rate.total}, {share.most_common_answer})"
        for share in _wronged(stage)[:most]
    ]
    return f"  {printable(stage.stage, 16):<10} {', '.join(classes)}"


def _block(figures: SetFigures) -> list[str]:
    return _clean_block(figures) if figures.kind == CLEAN else _poisoned_block(figures)


def _clean_block(figures: SetFigures) -> list[str]:
    with_detector = any(stage.flagged is not None for stage in figures.stages)
    header = ["stage", "accuracy on the given labels"] + ["flagged (false positives)"] * with_detector
    rows = [
        [printable(stage.stage, 16), _cell(stage.accuracy)] + [_cell(stage.flagged)] * with_detector
        for stage in figures.stages
    ]
    return [f"{printable(figures.name, 70)}: clean, {figures.images} images", *_aligned(header, rows)]


def _poisoned_block(figures: SetFigures) -> list[str]:
    header = ["stage", "attack success", "robust accuracy", "flagged", "DER"]
    rows = [
        [
            printable(stage.stage, 16),
            _short(stage.attack_success),
            _short(stage.robust_accuracy),
            _short(stage.flagged),
            _decimal(stage.der),
        ]
        for stage in figures.stages
    ]
    lines = [f"{printable(figures.name, 40)}: {_what(figures)}", *_aligned(header, rows)]
    if figures.strength == WEAK:
        lines.insert(1, "  WEAK: succeeds on fewer than 90 % before any defense, counted apart")
    return lines + [line for stage in figures.stages for line in _notes(stage)]


def _notes(stage: StageFigures) -> list[str]:
    """Notes that do not fit into a detector's row."""
    notes = []
    if stage.caught is not None:
        notes.append(f"flagged of the inputs that fool the BadNet {_cell(stage.caught)}")
    if stage.safe is not None:
        notes.append(f"flagged or right {_cell(stage.safe)}")
    last = []
    if stage.auroc is not None:
        last.append(f"AUROC {stage.auroc:.3f}")
    if stage.overlooked is not None:
        last.append(f"not flagged though the two networks disagree {stage.overlooked.count}")
    if last:
        notes.append(", ".join(last))
    return [f"  {printable(stage.stage, 16)}: {note}" for note in notes]


def _what(figures: SetFigures) -> str:
    target = ", ".join(map(str, figures.targets[:8])) + (", ..." if len(figures.targets) > 8 else "")
    if figures.kind == POISONED_UNKNOWN:
        return f"poisoned, target {target}; true labels unknown, all {figures.images} images counted"
    return f"poisoned, target {target}; {figures.counted} images of other classes"


def _summary_block(evaluation: Evaluation) -> list[str]:
    header = ["stage", "attacks", "mean ASR", "worst ASR", "mean RA", "mean DER", "worst DER"]
    lines = ["all attacks (each weighs alike; weak ones apart)"]
    return lines + _aligned(header, [_summary_row(summary) for summary in evaluation.summaries])


def _summary_row(summary: AttackSummary) -> list[str]:
    return [
        printable(summary.stage, 16),
        f"{summary.sets} {summary.strength}",
        _percent(summary.mean_attack_success),
        _percent(summary.worst_attack_success),
        _percent(summary.mean_robust_accuracy),
        _decimal(summary.mean_der),
        _decimal(summary.worst_der),
    ]


def _cell(rate: Rate | None) -> str:
    return _NONE if rate is None else str(rate)


def _short(rate: Rate | None) -> str:
    """The count without the total, which is in the heading."""
    if rate is None or not rate.total:
        return _NONE
    low, high = rate.interval
    return f"{_tenths(rate.value)} % [{_tenths(low)}, {_tenths(high)}] {rate.count}"


def _tenths(share: float) -> str:
    return "100" if share == 1 else f"{100 * share:.1f}"


def _percent(value: float | None) -> str:
    return _NONE if value is None else f"{100 * value:.1f} %"


def _decimal(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3f}"


def _aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    ]
