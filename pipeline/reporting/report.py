"""One HTML file that a person can read, send on and print: everything is inside, nothing is fetched."""

from goodnet.pipeline.reporting import evidence, findings, workings
from goodnet.pipeline.reporting.markup import Html, bullets, element, joined, text
from goodnet.pipeline.reporting.run_record import RunRecord
from goodnet.pipeline.reporting.style import STYLE
from goodnet.pipeline.reporting.verdict import STOPPED_BELOW, WORKS_ABOVE, Verdict, give_verdict

_SECTIONS = (
    ("figures", "Figures", findings.figures_section),
    ("attacks", "Attacks", findings.attacks_section),
    ("mistakes", "Mistakes", findings.mistakes_section),
    ("classes", "Classes", findings.classes_section),
    ("detector", "Detector", findings.detector_section),
    ("evidence", "Evidence", evidence.evidence_section),
    ("pruning", "Pruning", workings.pruning_section),
    ("training", "Training", workings.training_section),
    ("network", "Network", workings.structure_section),
    ("data", "Data", workings.data_section),
    ("device", "Device", findings.device_section),
    ("provenance", "Provenance", workings.provenance_section),
)

# Whatever a name from a file might smuggle in: the browser fetches nothing and runs nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render_report(record: RunRecord) -> str:
    """The report as one HTML file with its style and pictures inside.

    Args:
        record: what to show; sections that it has nothing for are left out.

    Returns:
        HTML, to be written as UTF-8.
    """
    rendered = [(anchor, title, render(record)) for anchor, title, render in _SECTIONS]
    present = [(anchor, title, html) for anchor, title, html in rendered if html]
    links = joined((Html(f'<a href="#{anchor}">{text(title)}</a>') for anchor, title, _ in present), " ")
    title = text(f"Backdoor repair: {record.model_name}")
    main = element(
        "main",
        element("h1", f"Backdoor repair of {record.model_name}, {record.created}"),
        _first_page(give_verdict(record)),
        element("nav", links),
        *(html for _, _, html in present),
        element("footer", f"Written by GoodNet, {record.created}."),
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>{main}</body></html>\n"
    )


def _first_page(verdict: Verdict) -> Html:
    tiles = [
        element(
            "div",
            element("span", tile.title, css="title"),
            element("span", tile.value, css="value"),
            element("span", tile.note, css="note"),
            css="tile",
        )
        for tile in verdict.tiles
    ]
    sentences = [text(sentence, 2000) for sentence in verdict.sentences]
    words = (
        f"Stopped: success below {100 * STOPPED_BELOW:.0f} % with 95 % confidence. Still works: above "
        f"{100 * WORKS_ABOVE:.0f} %. Reduced: between, or too few images to tell."
    )
    return joined(
        (
            element(
                "div", element("p", verdict.headline, css="headline"), bullets(sentences), css=f"verdict {verdict.tone}"
            ),
            element("div", *tiles, css="tiles") if tiles else Html(""),
            element("h3", "What these figures do not say"),
            bullets([text(caveat, 2000) for caveat in verdict.caveats]),
            element("p", words, css="soft"),
        )
    )
