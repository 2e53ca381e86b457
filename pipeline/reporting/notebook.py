"""Verdict and result as a notebook shows them: parts of the report, in the notebook's own colours."""

import dataclasses

from goodnet.pipeline.reporting.evidence import evidence_section
from goodnet.pipeline.reporting.findings import figures_section
from goodnet.pipeline.reporting.markup import Html, bullets, element, joined, text
from goodnet.pipeline.reporting.run_record import RunRecord
from goodnet.pipeline.reporting.verdict import give_verdict

# A notebook may be dark where the system is light. So nothing here has a colour of its own: ink is inherited, lines and
# bars are translucent. Every rule is of this element's inside.
_STYLE = """
.goodnet { line-height: 1.45; max-width: 66rem; }
.goodnet h2 { font-size: 1.05em; margin: 1em 0 .3em; }
.goodnet .headline { font-size: 1.15em; font-weight: 600; margin: 0 0 .4em; padding-left: .6em; border-left: .3em solid
  rgba(128, 128, 128, .6); }
.goodnet .soft, .goodnet small, .goodnet caption { opacity: .75; }
.goodnet .scroll { overflow-x: auto; }
.goodnet table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .4em 0; }
.goodnet caption { text-align: left; caption-side: top; }
.goodnet th, .goodnet td { text-align: left; vertical-align: top; padding: .25em .9em .25em 0; border-bottom: 1px solid
  rgba(128, 128, 128, .35); background: transparent; }
.goodnet th.number, .goodnet td.number { text-align: right; }
.goodnet .rate small { display: block; white-space: nowrap; }
.goodnet .bar { display: block; height: .25em; max-width: 8em; background: rgba(128, 128, 128, .25); }
.goodnet .bar i { display: block; height: 100%; background: rgba(80, 140, 220, .9); }
.goodnet .pictures { display: flex; flex-wrap: wrap; gap: .8em; }
.goodnet figure.picture { margin: 0; max-width: 20em; font-size: .9em; }
.goodnet figure.picture img { display: inline-block; height: 7em; margin: 0 .4em .3em 0; image-rendering: pixelated; }
.goodnet dl { display: grid; grid-template-columns: auto 1fr; gap: .05em .8em; margin: 0; }
.goodnet dt { opacity: .75; }
.goodnet dd { margin: 0; }
"""


def evidence_html(record: RunRecord) -> str:
    """The verdict, the most suspicious classes, and the triggers of those that are targets or may be.

    Args:
        record: with evidence and its triggers; nothing else of it is shown.
    """
    verdict = record.evidence.verdict if record.evidence else None
    named = () if verdict is None else (*verdict.targets, *verdict.doubtful)
    shown = tuple(one for one in record.triggers if one.trigger.label in named)
    return _framed(evidence_section(dataclasses.replace(record, triggers=shown)))


def result_html(record: RunRecord) -> str:
    """What was done and found, the figures, and what these do not say."""
    verdict = give_verdict(record)
    caveats = bullets([text(caveat, 2000) for caveat in verdict.caveats])
    return _framed(
        joined(
            (
                element("p", verdict.headline, css="headline"),
                bullets([text(sentence, 2000) for sentence in verdict.sentences]),
                figures_section(record),
                element("details", element("summary", "What these figures do not say"), caveats),
            )
        )
    )


def _framed(content: Html) -> str:
    return f'<div class="goodnet"><style>{_STYLE}</style>{content}</div>'
