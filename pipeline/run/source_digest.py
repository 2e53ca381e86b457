"""Tells apart results that other code gave."""

import functools
import hashlib
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent.parent
# What the results of a run follow from, and what in it only shows them.
_PACKAGES = ("data", "export", "models", "pipeline")
_SHOWS_ONLY = "pipeline/reporting"


@functools.cache
def source_digest() -> str:
    """A digest of the sources that decide results: 12 hexadecimal digits. Tests and the report's looks do not."""
    digest = hashlib.sha256()
    for source in deciding_sources():
        digest.update(source.relative_to(_ROOT).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def deciding_sources() -> list[Path]:
    """The files of the digest, in a fixed order."""
    sources = [source for package in _PACKAGES for source in sorted(Path(_ROOT, package).rglob("*.py"))]
    return [
        source
        for source in sources
        if not source.stem.endswith("_test") and Path(_ROOT, _SHOWS_ONLY) not in source.parents
    ]
