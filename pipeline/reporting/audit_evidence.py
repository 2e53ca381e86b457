"""What an audit leaves: its evidence for programs (JSON), and the triggers as pictures."""

import re
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from goodnet.data.image_set import ImageSet
from goodnet.pipeline.inversion.evidence import Evidence
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.reporting.evidence import evidence_as_json
from goodnet.pipeline.reporting.pictures import stamped, thumbnail

SCHEMA_VERSION = 4
_PICTURE = re.compile(r"trigger_[0-9]+(_on_image)?\.png")


def pictures(evidence: Evidence, clean: ImageSet) -> dict[str, bytes]:
    """PNG files by name: each suspicious trigger on plain grey and on a clean image of another class.

    Args:
        evidence: what was found.
        clean: the clean images.
    """
    files = {}
    for suspicion in evidence.suspicions:
        trigger = suspicion.trigger
        on_grey, on_image = _names(trigger)
        files[on_grey] = thumbnail(stamped(trigger))
        others = np.flatnonzero(clean.labels != trigger.label)[:1]
        if len(others):
            files[on_image] = thumbnail(stamped(trigger, clean.images(others)[0]))
    return files


def earlier_pictures(names: Iterable[str]) -> list[str]:
    """Those of the names in a folder that are pictures of an earlier audit."""
    return sorted(name for name in names if _PICTURE.fullmatch(name))


def as_json(evidence: Evidence, written: Collection[str]) -> dict[str, Any]:
    """The contents of `audit.json`, plain JSON types.

    Args:
        evidence: what was found.
        written: the names of the pictures there are; a label that every clean image has is shown on no image.
    """
    content = {"schema_version": SCHEMA_VERSION, **evidence_as_json(evidence)}
    for found, suspicion in zip(content["suspicions"], evidence.suspicions, strict=True):
        found["pictures"] = [name for name in _names(suspicion.trigger) if name in written]
    return content


def _names(trigger: InvertedTrigger) -> tuple[str, str]:
    return f"trigger_{trigger.label}.png", f"trigger_{trigger.label}_on_image.png"
