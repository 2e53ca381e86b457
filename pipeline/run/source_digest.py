"""Tells apart results that other code gave."""

import ast
import functools
import hashlib
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent.parent
# What the results of a run follow from; in it, what shows them and what keeps the books of a run.
_PACKAGES = ("data", "export", "models", "pipeline")
_DECIDES_NOTHING = ("pipeline/reporting", "pipeline/run")
_HAVE_DOCSTRINGS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@functools.cache
def source_digest(root: Path = _ROOT) -> str:
    """A digest of the code that decides results: 12 hexadecimal digits.

    Docstrings, comments and layout do not count, nor do tests, the report and what keeps the books of a run.

    Args:
        root: the folder that holds the packages.
    """
    digest = hashlib.sha256()
    for source in deciding_sources(root):
        name = source.relative_to(root).as_posix()
        digest.update(name.encode() + b"\0" + without_prose(source.read_bytes()).encode() + b"\0")
    return digest.hexdigest()[:12]


def deciding_sources(root: Path = _ROOT) -> list[Path]:
    """The files of the digest, in a fixed order."""
    passed_over = {root / folder for folder in _DECIDES_NOTHING}
    sources = [source for package in _PACKAGES for source in sorted((root / package).rglob("*.py"))]
    return [
        source for source in sources if not source.stem.endswith("_test") and passed_over.isdisjoint(source.parents)
    ]


def without_prose(source: str | bytes) -> str:
    """A module's syntax tree without docstrings, as text. A tree holds no comments and no layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, _HAVE_DOCSTRINGS) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.dump(tree, annotate_fields=False)
