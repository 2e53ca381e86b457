"""Writes docs/api.md from the docstrings of what `import goodnet` offers, and says whether it is up to date.

python -m testing.api_page --write
"""

import argparse
import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from goodnet.flags import inputs  # noqa: F401, its flags have descriptions
from goodnet.pipeline.api import library
from goodnet.pipeline.api.results import AuditVerdict, Detections, RepairResult
from goodnet.pipeline.audit_steps import AuditOptions
from goodnet.pipeline.inversion.evidence import Evidence
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.inversion.verdict import LabelEvidence
from goodnet.pipeline.measuring.evaluation import Evaluation, SetFigures, StageFigures
from goodnet.pipeline.measuring.rates import Rate
from goodnet.pipeline.methods.repair_method import RepairSettings
from goodnet.pipeline.repair_steps import Options
from goodnet.pipeline.reporting.flag_names import naming_settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "api.md"

# With the classes that their settings are fields of.
_FUNCTIONS: Mapping[Callable[..., Any], tuple[type, ...]] = {
    library.audit: (AuditOptions,),
    library.repair: (Options, RepairSettings),
    library.detect: (),
}
_RESULTS: tuple[type, ...] = (AuditVerdict, RepairResult, Detections)
_PARTS: tuple[type, ...] = (Evidence, LabelEvidence, InvertedTrigger, Evaluation, SetFigures, StageFigures, Rate)
# Settings that no settings class has: what they do, the flags of their names say.
_FLAGS = ("input_scale", "channel_order", "mean", "std", "resize", "exif_orientation", "crop_to_roi", "clean_part")
_INTRODUCTION = """# Python API

`python -m testing.api_page --write` makes this page from the docstrings. `import goodnet` gives the functions and
`goodnet.InputError`."""
# A section of a docstring, and an entry of it: "Args:", "    model: a model ...".
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises):$", re.MULTILINE)
_ENTRY = re.compile(r"^    (\*{0,2}\w+): ", re.MULTILINE)
# How absl begins the help of a flag that takes one of some words.
_CHOICES = re.compile(r"^<([^>]*)>: *")
# What a property says whose class says the rest.
_AS_IN_THE_CLASS = "As in the class."


def api_page() -> str:
    """The page: Markdown."""
    parts = [_INTRODUCTION, *_sections(inspect.getdoc(library) or "")]
    for function, settings in _FUNCTIONS.items():
        parts += _function(function, settings)
    parts.append("## What they return")
    for one in _RESULTS:
        parts += _class(one)
    parts.append("## What is in it")
    for one in _PARTS:
        parts += _class(one)
    return "\n\n".join(parts) + "\n"


def _function(function: Callable[..., Any], kinds: Sequence[type]) -> Iterator[str]:
    parameters = inspect.signature(function).parameters
    texts = _settings_texts(kinds)
    settings = {name: one.default for name, one in parameters.items() if name in texts}
    yield f"## goodnet.{function.__name__}"
    yield f"```python\n{_call(f'goodnet.{function.__name__}', parameters, hidden=settings)}\n```"
    yield from _sections(inspect.getdoc(function) or "")
    if settings:
        rows = [f"| `{name}` | `{default!r}` | {texts[name]} |" for name, default in settings.items()]
        yield "\n".join(["| setting | default | what it does |", "|---|---|---|", *rows])


def _class(one: type) -> Iterator[str]:
    yield f"### {one.__name__}"
    yield from _sections(inspect.getdoc(one) or "")
    for name, member in vars(one).items():
        described = inspect.getdoc(member) if not name.startswith("_") else None
        if described is None or described == _AS_IN_THE_CLASS or dataclasses.is_dataclass(member):
            continue
        if inspect.isfunction(member):
            parameters = {key: value for key, value in inspect.signature(member).parameters.items() if key != "self"}
            yield f"#### `{_call(f'.{name}', parameters)}`"
        elif hasattr(member, "__get__") and not isinstance(member, classmethod | staticmethod):
            yield f"#### `.{name}`"
        else:
            continue
        yield from _sections(described)


def _call(name: str, parameters: Any, hidden: Any = ()) -> str:
    shown, keyword_only = [], False
    for key, one in parameters.items():
        if key in hidden:
            continue
        if one.kind is inspect.Parameter.KEYWORD_ONLY and not keyword_only:
            shown.append("*")
            keyword_only = True
        shown.append(key if one.default is inspect.Parameter.empty else f"{key}={one.default!r}")
    return f"{name}({', '.join([*shown, '**settings'] if hidden else shown)})"


def _sections(described: str) -> Iterator[str]:
    """A docstring in the style of Google as paragraphs and lists."""
    text, *rest = _SECTION.split(described)
    yield text.strip()
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        entries = _entries(body)
        if not entries:
            yield f"**{title}:** {_one_line(body)}"
            continue
        lines = [f"- `{name}`: {content}" for name, content in entries.items()]
        yield "\n".join([f"**{title}:**\n", *lines])


def _entries(body: str) -> dict[str, str]:
    _, *found = _ENTRY.split(body)
    return {name: _one_line(content) for name, content in zip(found[::2], found[1::2], strict=True)}


def _one_line(content: str) -> str:
    return " ".join(content.split())


def _settings_texts(kinds: Sequence[type]) -> dict[str, str]:
    """What each setting does, by name."""
    texts: dict[str, str] = {}
    for kind in kinds:
        for title, body in zip(*(iter(_SECTION.split(inspect.getdoc(kind) or "")[1:]),) * 2, strict=True):
            texts.update(_entries(body) if title == "Attributes" else {})
        texts.update({one.name: one.metadata["flag"].text for one in dataclasses.fields(kind) if one.metadata})
    for name in _FLAGS:
        texts[name] = _CHOICES.sub(
            lambda choices: f"One of {choices[1].replace('|', ', ')}. ", flags.FLAGS[name].help or ""
        )
    return {name: naming_settings(text).replace("|", "\\|") for name, text in texts.items()}


def main() -> int:
    """Writes the page; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write docs/api.md")
    page = api_page()
    if parser.parse_args().write:
        PAGE.write_text(page)
    elif PAGE.read_text() != page:
        print(f"{PAGE}: not up to date; python -m testing.api_page --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
