"""The sections of a report that show what came of a repair: figures, pictures, classes, the detector, the device."""

from collections.abc import Iterable, Sequence

import numpy as np

from goodnet.export.parity import Parity
from goodnet.export.printable import printable
from goodnet.pipeline.detection.calibration import Calibration
from goodnet.pipeline.measuring.evaluation import (
    CLEAN,
    POISONED_UNKNOWN,
    STRONG,
    WEAK,
    Evaluation,
    SetFigures,
    StageFigures,
)
from goodnet.pipeline.measuring.examples import Example
from goodnet.pipeline.measuring.metrics import ClassShare
from goodnet.pipeline.measuring.predictions import BADNET, DETECTOR, REPAIRED
from goodnet.pipeline.measuring.rates import Rate
from goodnet.pipeline.reporting import plots
from goodnet.pipeline.reporting.evidence import LEFT_AS_IT_IS
from goodnet.pipeline.reporting.flag_names import naming_settings
from goodnet.pipeline.reporting.markup import Html, diagram, element, facts, joined, section, table, text
from goodnet.pipeline.reporting.pictures import data_uri, thumbnail
from goodnet.pipeline.reporting.run_record import RunRecord, stage_title

_MOST_CLASSES = 6
_NONE = Html('<span class="soft">–</span>')


def figures_section(record: RunRecord) -> Html:
    """Accuracy and attack success, before and after, of every network on every set."""
    evaluation = record.evaluation
    if evaluation is None or not evaluation.sets:
        return Html("")
    stages = list(dict.fromkeys(stage.stage for figures in evaluation.sets for stage in figures.stages))
    body = joined(_set_rows(figures, stages) for figures in evaluation.sets)
    head = element("tr", Html('<th scope="col">measured</th>'), *(_column(stage_title(stage)) for stage in stages))
    explained = element(
        "p",
        "Each rate with its 95 % interval (Wilson) and its count. Robust accuracy: triggered images that get their "
        "true class. DER: defense effectiveness rating, 0.5 for doing nothing, 1 for a perfect cure"
        + (f"; its clean accuracy is that on {evaluation.reference}." if evaluation.reference else "."),
        css="soft",
    )
    return section(
        "figures",
        "Accuracy and attack success, before and after",
        Html(f'<div class="scroll" tabindex="0"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'),
        explained,
        _summary(evaluation),
    )


def attacks_section(record: RunRecord) -> Html:
    """Pictures of attacks that worked on the BadNet."""
    attacks = () if record.figures is None else record.figures.attacks
    if not attacks:
        return Html("")
    return section(
        "attacks",
        "Attacks that worked on the model as received",
        element(
            "p", "Triggered images that the BadNet gave the attacker's target, and what each network says of them."
        ),
        _pictures(record, attacks),
    )


def mistakes_section(record: RunRecord) -> Html:
    """Pictures of clean images that get a wrong answer."""
    mistakes = () if record.figures is None else record.figures.mistakes
    if not mistakes:
        return Html("")
    return section(
        "mistakes",
        "Clean images that were got wrong",
        element("p", f"Clean images with a wrong answer of: {stage_title(REPAIRED)}."),
        _pictures(record, mistakes),
    )


def classes_section(record: RunRecord) -> Html:
    """The classes that suffer most: from mistakes on clean images, and from the attack."""
    if record.evaluation is None:
        return Html("")
    parts = [_worst_classes(record, figures) for figures in record.evaluation.sets]
    if not any(parts):
        return Html("")
    explained = element(
        "p", "Ordered by the lower end of the rate's 95 % interval; more of them are in metrics.json.", css="soft"
    )
    return section("classes", "Most misclassified and most attacked classes", explained, *parts)


def detector_section(record: RunRecord) -> Html:
    """The threshold, the rate that it promises, the rates measured, and the suspicions behind them."""
    calibration = record.calibration
    if calibration is None:
        return Html("")
    threshold = calibration.threshold
    parts: list[object] = [element("p", naming_settings(LEFT_AS_IT_IS))] if record.unchanged else []
    parts.append(_threshold_facts(calibration))
    samples = [sample for sample in _suspicions(record, calibration) if len(sample.suspicions)]
    if samples:
        parts.append(_flagged_table(samples, threshold))
    # Where nothing but a network and itself are compared, all are 0.
    if any(sample.suspicions.any() for sample in samples):
        described = "Suspicion of the images of each set; what lies to the right of the threshold is flagged."
        parts.append(diagram(plots.suspicion_plot(samples, threshold), described))
        parts.append(_roc(samples, threshold))
    return section("detector", "The detector", *parts)


def device_section(record: RunRecord) -> Html:
    """What ships, and that it answers as it did before the export."""
    parts: list[object] = []
    if record.figures is not None and record.figures.parity is not None:
        parts.append(element("div", facts(_device_facts(record, record.figures.parity)), css="facts"))
    if outputs := record.manifest.get("outputs"):
        rows = [(name, _size(record.file_sizes.get(name)), element("code", digest)) for name, digest in outputs.items()]
        parts.append(table(("file", "size", "SHA-256"), rows, "Files written", numeric=(1,)))
    return section("device", "On the device", *parts) if parts else Html("")


def _device_facts(record: RunRecord, clean: Parity) -> list[tuple[object, object]]:
    pairs: list[tuple[object, object]] = [
        ("Precision", record.findings.get("precision", "unknown")),
        ("Runtime", clean.runtime),
        ("Same label as the Keras detector, clean images", Rate(clean.same_label, clean.images)),
    ]
    stamped = record.figures.parity_stamped if record.figures else None
    if stamped is not None:
        pairs.append(("Same label, stamped images", Rate(stamped.same_label, stamped.images)))
        if stamped.flagged:
            flagged = Rate(stamped.same_flagged or 0, stamped.flagged)
            pairs.append(("Flagged of the stamped images that the Keras detector flags", flagged))
    passed_over = record.findings.get("precisions_passed_over", ())
    pairs.extend(("Passed over", naming_settings(reason)) for reason in passed_over)
    pairs.append(("Largest difference in suspicion", f"{clean.max_difference:.4f}"))
    return pairs


def _suspicions(record: RunRecord, calibration: Calibration) -> list[plots.SuspicionSample]:
    """The detector's scores: of the images that set the threshold, then of every set."""
    samples = [plots.SuspicionSample("calibrate split", False, calibration.suspicions, sets_threshold=True)]
    for one in () if record.figures is None else record.figures.measured:
        samples += [
            plots.SuspicionSample(one.name, one.poisoned, answers.suspicion)
            for answers in one.predictions
            if answers.stage == DETECTOR and answers.suspicion is not None
        ]
    return samples


def _column(title: str) -> Html:
    return Html(f'<th scope="col">{text(title)}</th>')


def _set_rows(figures: SetFigures, stages: Sequence[str]) -> Html:
    found = [figures.stage(stage) or StageFigures(stage) for stage in stages]
    heading = element("div", figures.name, " ", element("span", _described(figures), css="soft"))
    title = Html(f'<tr class="group"><th scope="rowgroup" colspan="{len(stages) + 1}">{heading}</th></tr>')
    if figures.kind == CLEAN:
        rows = [
            _row("Clean accuracy", [_rate(stage.accuracy) for stage in found]),
            _row("Flagged (false positives)", [_rate(stage.flagged) for stage in found]),
        ]
    else:
        rows = [
            _row("Attack success", [_rate(stage.attack_success) for stage in found]),
            _row("Robust accuracy", [_rate(stage.robust_accuracy) for stage in found]),
            _row("Flagged (true positives)", [_rate(stage.flagged) for stage in found]),
            _row("Flagged, of those that fool the BadNet", [_rate(stage.caught) for stage in found]),
            _row("Not flagged, though the networks disagree", [_rate(stage.overlooked) for stage in found]),
            _row("Flagged or right", [_rate(stage.safe) for stage in found]),
            _row("AUROC", [_decimal(stage.auroc) for stage in found]),
            _row("DER", [_decimal(stage.der) for stage in found]),
        ]
    return joined((title, *rows))


def _row(title: str, cells: Sequence[Html]) -> Html:
    """A row; nothing where no network has such a figure."""
    if all(cell is _NONE for cell in cells):
        return Html("")
    return element("tr", Html(f'<th scope="row">{text(title)}</th>'), *(element("td", cell) for cell in cells))


def _rate(rate: Rate | None) -> Html:
    if rate is None or not rate.total:
        return _NONE
    low, high = rate.interval
    bar = Html(f'<span class="bar"><i style="width:{100 * rate.value:.2f}%"></i></span>')
    detail = f"[{100 * low:.1f}, {100 * high:.1f}]  {rate.count}/{rate.total}"
    return element("span", element("b", f"{100 * rate.value:.1f} %"), bar, element("small", detail), css="rate")


def _decimal(value: float | None) -> Html:
    return _NONE if value is None else Html(f"{value:.3f}")


def _described(figures: SetFigures) -> str:
    if figures.kind == CLEAN:
        return f"clean, {figures.images} images"
    targets = ", ".join(map(str, figures.targets[:8])) + (", …" if len(figures.targets) > 8 else "")
    weak = "; weak: below 90 % before any defense" if figures.strength == WEAK else ""
    if figures.kind == POISONED_UNKNOWN:
        return f"triggered, target {targets}; true labels unknown, so all {figures.images} images count{weak}"
    return f"triggered, target {targets}; {figures.counted} images of other classes{weak}"


def _summary(evaluation: Evaluation) -> Html:
    if len(evaluation.poisoned_sets) < 2:
        return Html("")
    rows = [
        (
            stage_title(summary.stage),
            summary.sets if summary.strength == STRONG else f"{summary.sets} {summary.strength}",
            _share(summary.mean_attack_success),
            _share(summary.worst_attack_success),
            _share(summary.mean_robust_accuracy),
            _decimal(summary.mean_der),
            _decimal(summary.worst_der),
        )
        for summary in evaluation.summaries
    ]
    header = ("network", "attacks", "mean attack success", "worst", "mean robust accuracy", "mean DER", "worst DER")
    return table(header, rows, "All attacks together; each weighs alike, weak ones apart", numeric=range(1, 7))


def _share(value: float | None) -> Html:
    return _NONE if value is None else text(f"{100 * value:.1f} %")


def _pictures(record: RunRecord, examples: Iterable[Example]) -> Html:
    return element("div", *(_picture(record, example) for example in examples), css="pictures")


def _picture(record: RunRecord, example: Example) -> Html:
    known = [("true class", _class_or_unknown(record, example.true_label))]
    if example.target is not None:
        known.append(("target", text(record.class_name(example.target))))
    answers = [(stage_title(stage).split(",")[0], _answer(record, example, label)) for stage, label in example.answers]
    alt = text(
        f"image of {example.set_name}, true class {example.true_label if example.true_label is not None else '?'}"
    )
    picture = Html(f'<img src="{data_uri(thumbnail(example.image))}" alt="{alt}">')
    return Html(
        f'<figure class="picture">{picture}<figcaption>{element("div", example.set_name, css="soft")}'
        f"{facts([*known, *answers])}</figcaption></figure>"
    )


def _class_or_unknown(record: RunRecord, label: int | None) -> Html:
    return text("unknown" if label is None else record.class_name(label))


def _answer(record: RunRecord, example: Example, label: int) -> Html:
    """An answer by its number; by its name too if that is not given above."""
    if label == example.backdoor_label:
        return element("span", "backdoor", css="flag" if example.target is not None else "wrong")
    if label == example.true_label:
        return element("span", label, css="right")
    if label == example.target:
        return element("span", label, css="fell")
    return element("span", record.class_name(label), css="wrong")


def _worst_classes(record: RunRecord, figures: SetFigures) -> Html:
    """For one set, the BadNet's and the repaired network's worst classes beside each other."""
    is_clean = figures.kind == CLEAN
    shown = [stage for stage in figures.stages if stage.worst_classes and stage.stage in (BADNET, REPAIRED)]
    if not shown:
        return Html("")
    title = f"{'Most misclassified' if is_clean else 'Most attacked'}: {printable(figures.name)}"
    header = ("true class", "misclassified", "mostly as") if is_clean else ("true class", "moved to the target")
    tables = [
        table(
            header,
            [_class_row(record, share, is_clean) for share in stage.worst_classes[:_MOST_CLASSES]],
            stage_title(stage.stage),
        )
        for stage in shown
    ]
    return joined((element("h3", title), element("div", *tables, css="beside")))


def _class_row(record: RunRecord, share: ClassShare, is_clean: bool) -> tuple[object, ...]:
    row = (record.class_name(share.label), _rate(share.rate))
    return (*row, record.class_name(share.most_common_answer)) if is_clean else row


def _threshold_facts(calibration: Calibration) -> Html:
    return element(
        "div",
        facts(
            [
                ("Threshold", f"{calibration.threshold:.6g}; an input is flagged when its suspicion exceeds it"),
                ("False positive rate asked for", f"at most {100 * calibration.asked:.3g} %"),
                (
                    "Promised",
                    f"at most {100 * calibration.promised:.3g} % (conformal calibration on {calibration.images} "
                    f"clean images; {calibration.images} images can promise no less than "
                    f"{100 / (calibration.images + 1):.2g} %)",
                ),
            ]
        ),
        css="facts",
    )


def _flagged_table(samples: Sequence[plots.SuspicionSample], threshold: float) -> Html:
    rows = []
    for sample in samples:
        over = int((sample.suspicions > np.float32(threshold)).sum())
        role = "triggered" if sample.poisoned else "clean"
        note = "the threshold was set on these: no measurement" if sample.sets_threshold else ""
        rows.append((sample.name, role, Rate(over, len(sample.suspicions)), note))
    return table(("set", "images", "flagged", ""), rows, "Flagged at the threshold")


def _roc(samples: Sequence[plots.SuspicionSample], threshold: float) -> Html:
    """The ROC against the largest clean set that the threshold was not set on."""
    poisoned = [sample for sample in samples if sample.poisoned]
    clean = [sample for sample in samples if not sample.poisoned and not sample.sets_threshold]
    if not poisoned or not clean:
        return Html("")
    reference = max(clean, key=lambda sample: len(sample.suspicions))
    png = plots.roc_plot(reference, poisoned, threshold)
    return diagram(png, "True against false positives for every threshold.", width=620)


def _size(size: int | None) -> str:
    if size is None:
        return "–"
    if size < 1024:
        return f"{size} B"
    return f"{size / 1024:.1f} KiB" if size < 1024**2 else f"{size / 1024**2:.2f} MiB"
