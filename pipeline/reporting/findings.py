"""The sections of a report that show what came of a repair: figures, pictures, classes, the detector, the device."""

from collections.abc import Iterable, Sequence

import numpy as np

from goodnet.export.printable import printable
from goodnet.pipeline.measuring.evaluation import (
    CLEAN,
    POISONED_UNKNOWN,
    STRONG,
    WEAK,
    Evaluation,
    SetFigures,
    StageFigures,
)
from goodnet.pipeline.measuring.metrics import ClassShare
from goodnet.pipeline.measuring.predictions import BADNET, REPAIRED
from goodnet.pipeline.measuring.rates import Rate
from goodnet.pipeline.reporting import plots
from goodnet.pipeline.reporting.contents import ReportContents, stage_title
from goodnet.pipeline.reporting.evidence import LEFT_AS_IT_IS
from goodnet.pipeline.reporting.examples import Example
from goodnet.pipeline.reporting.markup import Html, diagram, element, facts, joined, section, table, text
from goodnet.pipeline.reporting.pictures import data_uri, thumbnail

_MOST_CLASSES = 6
_NONE = Html('<span class="soft">–</span>')


def figures_section(contents: ReportContents) -> Html:
    """Accuracy and attack success, before and after, of every network on every set."""
    evaluation = contents.evaluation
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


def attacks_section(contents: ReportContents) -> Html:
    """Pictures of attacks that worked on the BadNet."""
    if not contents.attacks:
        return Html("")
    return section(
        "attacks",
        "Attacks that worked on the model as received",
        element(
            "p", "Triggered images that the BadNet gave the attacker's target, and what each network says of them."
        ),
        _pictures(contents, contents.attacks),
    )


def mistakes_section(contents: ReportContents) -> Html:
    """Pictures of clean images that were got wrong."""
    if not contents.mistakes:
        return Html("")
    return section(
        "mistakes",
        "Clean images that were got wrong",
        element("p", f"Clean images with a wrong answer of: {stage_title(contents.mistakes_of)}."),
        _pictures(contents, contents.mistakes),
    )


def classes_section(contents: ReportContents) -> Html:
    """The classes that suffer most: from mistakes on clean images, and from the attack."""
    if contents.evaluation is None:
        return Html("")
    parts = [_worst_classes(contents, figures) for figures in contents.evaluation.sets]
    if not any(parts):
        return Html("")
    explained = element(
        "p", "Ordered by the lower end of the rate's 95 % interval; more of them are in metrics.json.", css="soft"
    )
    return section("classes", "Most misclassified and most attacked classes", explained, *parts)


def detector_section(contents: ReportContents) -> Html:
    """The threshold, what it was promised and what it reached, and the suspicions behind it."""
    if contents.calibration is None and not contents.suspicions:
        return Html("")
    parts: list[object] = []
    if contents.unchanged:
        parts.append(element("p", LEFT_AS_IT_IS))
    if contents.calibration is not None:
        parts.append(_threshold_facts(contents))
        threshold = contents.calibration.threshold
        samples = [sample for sample in contents.suspicions if len(sample.suspicions)]
        if samples:
            parts.append(_flagged_table(samples, threshold))
        # Where nothing but a network and itself are compared, all are 0.
        if any(sample.suspicions.any() for sample in samples):
            described = "Suspicion of the images of each set; what lies to the right of the threshold is flagged."
            parts.append(diagram(plots.suspicion_plot(samples, threshold), described))
            parts.append(_roc(samples, threshold))
    return section("detector", "The detector", *parts)


def device_section(contents: ReportContents) -> Html:
    """What ships, and that it answers as it did before the export."""
    if contents.device is None and not contents.files:
        return Html("")
    parts: list[object] = []
    device = contents.device
    if device is not None:
        pairs: list[tuple[object, object]] = [
            ("Precision", device.precision),
            ("Runtime", device.runtime),
            ("Same label as the Keras detector, clean images", device.same_label),
        ]
        if device.same_label_stamped is not None:
            pairs.append(("Same label, stamped images", device.same_label_stamped))
        if device.same_flagged is not None and device.same_flagged.total:
            pairs.append(("Flagged of the stamped images that the Keras detector flags", device.same_flagged))
        pairs.extend(("Passed over", reason) for reason in device.passed_over)
        if device.largest_difference is not None:
            pairs.append(("Largest difference in suspicion", f"{device.largest_difference:.4f}"))
        parts.append(element("div", facts(pairs), css="facts"))
    if contents.files:
        rows = [(file.name, _size(file.size), element("code", file.sha256)) for file in contents.files]
        parts.append(table(("file", "size", "SHA-256"), rows, "Files written", numeric=(1,)))
    return section("device", "On the device", *parts)


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


def _pictures(contents: ReportContents, examples: Iterable[Example]) -> Html:
    return element("div", *(_picture(contents, example) for example in examples), css="pictures")


def _picture(contents: ReportContents, example: Example) -> Html:
    known = [("true class", _class_or_unknown(contents, example.true_label))]
    if example.target is not None:
        known.append(("target", text(contents.class_name(example.target))))
    answers = [
        (stage_title(stage).split(",")[0], _answer(contents, example, label)) for stage, label in example.answers
    ]
    alt = text(
        f"image of {example.set_name}, true class {example.true_label if example.true_label is not None else '?'}"
    )
    picture = Html(f'<img src="{data_uri(thumbnail(example.image))}" alt="{alt}">')
    return Html(
        f'<figure class="picture">{picture}<figcaption>{element("div", example.set_name, css="soft")}'
        f"{facts([*known, *answers])}</figcaption></figure>"
    )


def _class_or_unknown(contents: ReportContents, label: int | None) -> Html:
    return text("unknown" if label is None else contents.class_name(label))


def _answer(contents: ReportContents, example: Example, label: int) -> Html:
    """An answer by its number; by its name too if that is not given above."""
    if label == example.backdoor_label:
        return element("span", "backdoor", css="flag" if example.target is not None else "wrong")
    if label == example.true_label:
        return element("span", label, css="right")
    if label == example.target:
        return element("span", label, css="fell")
    return element("span", contents.class_name(label), css="wrong")


def _worst_classes(contents: ReportContents, figures: SetFigures) -> Html:
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
            [_class_row(contents, share, is_clean) for share in stage.worst_classes[:_MOST_CLASSES]],
            stage_title(stage.stage),
        )
        for stage in shown
    ]
    return joined((element("h3", title), element("div", *tables, css="beside")))


def _class_row(contents: ReportContents, share: ClassShare, is_clean: bool) -> tuple[object, ...]:
    row = (contents.class_name(share.label), _rate(share.rate))
    return (*row, contents.class_name(share.most_common_answer)) if is_clean else row


def _threshold_facts(contents: ReportContents) -> Html:
    calibration = contents.calibration
    if calibration is None:
        return Html("")
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
    """Against the largest clean set that the threshold was not set on."""
    poisoned = [sample for sample in samples if sample.poisoned]
    clean = [sample for sample in samples if not sample.poisoned and not sample.sets_threshold]
    if not poisoned or not clean:
        return Html("")
    reference = max(clean, key=lambda sample: len(sample.suspicions))
    png = plots.roc_plot(reference, poisoned, threshold)
    return diagram(png, "True against false positives for every threshold.", width=620)


def _size(size: int) -> str:
    if size < 1024:
        return f"{size} B"
    return f"{size / 1024:.1f} KiB" if size < 1024**2 else f"{size / 1024**2:.2f} MiB"
