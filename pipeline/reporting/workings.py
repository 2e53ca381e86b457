"""The sections of a report that show how a repair was done: pruning, training, the network, the data, the run."""

from goodnet.pipeline.measuring.structure import LayerFacts, StructureRow
from goodnet.pipeline.methods.repair_method import PruningEvidence
from goodnet.pipeline.reporting import plots
from goodnet.pipeline.reporting.flag_names import naming_settings
from goodnet.pipeline.reporting.markup import Html, diagram, element, facts, joined, section, table, text
from goodnet.pipeline.reporting.run_record import RunRecord

_USED_FOR = {
    "fit": "pixel scale, inversion of triggers, activation profile, pruning curve, tuning, quantised detector",
    "calibrate": "the detector's threshold, and nothing else",
    "report": "figures only",
}


def pruning_section(record: RunRecord) -> Html:
    """The curve with its chosen point, the activation profile with its cut, the schedule asked and reached."""
    pruning = None if record.outcome is None else record.outcome.pruning
    if pruning is None:
        return Html("")
    chosen = pruning.curve.points[pruning.curve.chosen]
    curve = (
        f"Clean accuracy on the fit images as channels are closed. The floor is {100 * pruning.curve.floor:.1f} %; "
        f"{100 * chosen.share:.0f} % of each group's channels are closed, where the accuracy before any tuning is "
        f"{chosen.accuracy}."
    )
    profile = (
        f"Mean activation of every channel on {pruning.profile.images} clean images, sorted; the channels left of "
        "the cut were closed."
    )
    parts: list[object] = [
        diagram(plots.pruning_curve_plot(pruning.curve), curve),
        diagram(plots.activation_profile_plot(pruning.profile, pruning.closed), profile),
    ]
    if len(pruning.profile.groups) > plots.MOST_GROUPS:
        parts.append(
            element("p", f"The first {plots.MOST_GROUPS} of {len(pruning.profile.groups)} groups.", css="soft")
        )
    if pruning.trace:
        parts.append(_schedule(pruning))
    return section("pruning", "Pruning", *parts)


def training_section(record: RunRecord) -> Html:
    """Loss and accuracy of every training."""
    trainings = {} if record.outcome is None else record.outcome.history
    history = {name: epochs for name, epochs in trainings.items() if epochs}
    if not history:
        return Html("")
    rows = [
        (name, len(epochs), f"{epochs[-1].loss:.4f}", f"{100 * epochs[-1].accuracy:.2f} %", f"{seconds:.1f} s")
        for name, epochs in history.items()
        for seconds in [sum(epoch.seconds for epoch in epochs)]
    ]
    header = ("training", "epochs", "last loss", "last accuracy", "time")
    described = "Loss and accuracy on the (augmented) training batches; not a measure of the result."
    return section(
        "training",
        "Training",
        diagram(plots.training_plot(history), described),
        table(header, rows, numeric=range(1, 5)),
    )


def structure_section(record: RunRecord) -> Html:
    """The network's layers before and after."""
    structure = None if record.figures is None else record.figures.structure
    if structure is None:
        return Html("")
    header = ("layer", "type", "output before", "after", "channels before", "after", "parameters before", "after")
    head = element(
        "tr", *(element("th", title, css="number" if index > 3 else "") for index, title in enumerate(header))
    )
    body = joined(_layer(row) for row in structure.rows)
    before, after = structure.parameters_before, structure.parameters_after
    change = f" ({100 * (after - before) / before:+.1f} %)" if before else ""
    return section(
        "network",
        "The network before and after",
        element(
            "p",
            f"{before:,} parameters before, {after:,} after{change}; {structure.parameters_kept:,} of these are in"
            " layers that were left as they are. Layers that changed are in bold.",
        ),
        Html(f'<div class="scroll" tabindex="0"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'),
    )


def data_section(record: RunRecord) -> Html:
    """The pixel scale that was found, and what each part of the data was used for."""
    parts: list[object] = []
    scale = record.scale
    if scale is not None:
        pairs: list[tuple[object, object]] = [
            ("Pixel scale", f"{scale.chosen.name}: {100 * scale.accuracy:.2f} % of {scale.images} clean images right"),
            ("Log-likelihood of the true class", f"{scale.likelihood:.3f} an image"),
        ]
        if scale.runner_up != scale.chosen:
            difference = f"the difference has a standard error of {scale.standard_error:.3f}"
            pairs.append(
                (
                    "Next best",
                    f"{scale.runner_up.name}: {100 * scale.runner_up_accuracy:.2f} %, log-likelihood"
                    f" {scale.runner_up_likelihood:.3f}; {difference}",
                )
            )
        pairs.extend(("Warning", naming_settings(warning)) for warning in scale.warnings)
        parts.append(element("div", facts(pairs), css="facts"))
    if split := record.findings.get("split"):
        rows = [(part, images, _USED_FOR.get(part, "")) for part, images in split.items()]
        parts.append(table(("part", "images", "used for"), rows, "The data and its use", numeric=(1,)))
    return section("data", "The data", *parts) if parts else Html("")


def provenance_section(record: RunRecord) -> Html:
    """Versions, settings and digests, which are needed to repeat the run."""
    manifest = record.manifest
    if "settings" not in manifest:
        return Html("")
    settings = {**manifest["settings"], "seed": manifest["seed"], "devices": ", ".join(manifest["devices"])}
    groups = (
        ("Settings", settings),
        ("Versions", manifest["versions"]),
        ("SHA-256 of the inputs", manifest["inputs"]),
        ("SHA-256 of the sets that were only measured on", manifest["measured_on"]),
    )
    shown = [
        joined((element("h3", title), element("div", facts([*values.items()]), css="facts")))
        for title, values in groups
    ]
    return section("provenance", "Provenance", *shown)


def _schedule(pruning: PruningEvidence) -> Html:
    last = pruning.trace[-1]
    rows = [
        (site, f"{100 * last.asked:.1f} %", f"{100 * reached:.1f} %", f"{int(pruning.closed[site].sum())}")
        for site, reached in last.reached.items()
    ]
    described = (
        "The sparsity that tfmot's schedule asked for at each optimizer step and what each gate reached; a gate closes "
        "whole channels, so it follows in steps."
    )
    header = ("gate", "asked at the end", "reached", "channels closed")
    return joined((diagram(plots.sparsity_plot(pruning.trace), described), table(header, rows, numeric=(1, 2, 3))))


def _layer(row: StructureRow) -> Html:
    known = row.after or row.before
    cells = [known.kind if known else "", *(_shape(side) for side in (row.before, row.after))]
    numbers = [
        "–" if side is None or number(side) is None else f"{number(side):,}"
        for number in (lambda side: side.channels, lambda side: side.parameters)
        for side in (row.before, row.after)
    ]
    content = (
        Html(f'<th scope="row">{text(row.name)}</th>'),
        *(element("td", cell) for cell in cells),
        *(element("td", number, css="number") for number in numbers),
    )
    return element("tr", *content, css="changed" if row.changed else "")


def _shape(side: LayerFacts | None) -> str:
    if side is None:
        return "–"
    return " × ".join("?" if size is None else str(size) for size in side.output_shape)
