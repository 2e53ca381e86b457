"""What a run knows when its report is written. The sections read from it what they show."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from goodnet.export.printable import printable
from goodnet.models.input_scale_search import ScaleFinding
from goodnet.pipeline.detection.calibration import Calibration
from goodnet.pipeline.inversion.evidence import Evidence
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.measuring.artefact_figures import ArtefactFigures
from goodnet.pipeline.measuring.evaluation import Evaluation
from goodnet.pipeline.methods.repair_method import Repair


@dataclass(frozen=True, eq=False)
class TriggerExample:
    """A trigger that was inverted from the suspect, and a clean image to show it on.

    Attributes:
        trigger: the trigger.
        image: uint8 [H, W, C].
    """

    trigger: InvertedTrigger
    image: np.ndarray


@dataclass(frozen=True, eq=False)
class RunRecord:
    """The results of a run's steps, unchanged. A section whose part is missing is left out.

    Attributes:
        model: the suspect's path, or what it is called if it came without one.
        created: when, such as "2026-05-04 13:05 UTC".
        method: the repair, such as "fine-pruning".
        class_names: a name for each class, if known.
        evidence: of a backdoor; None where none was looked for.
        triggers: of the most suspicious labels, to be shown.
        outcome: what the repair did; None after an audit alone.
        scale: which pixel scale the suspect expects.
        calibration: how the detector's threshold was set.
        figures: what was measured.
        manifest: of the run: settings, versions, findings, digests (`pipeline.run.manifest`).
        file_sizes: bytes of what was written, by name.
    """

    model: str
    created: str
    method: str
    class_names: tuple[str, ...] | None = None
    evidence: Evidence | None = None
    triggers: tuple[TriggerExample, ...] = ()
    outcome: Repair | None = None
    scale: ScaleFinding | None = None
    calibration: Calibration | None = None
    figures: ArtefactFigures | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    file_sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def model_name(self) -> str:
        """The suspect for people, without the folders of its path."""
        return printable(os.path.basename(os.path.normpath(self.model)))

    @property
    def evaluation(self) -> Evaluation | None:
        """The figures on clean and poisoned sets."""
        return None if self.figures is None else self.figures.evaluation

    @property
    def unchanged(self) -> bool:
        """Whether the suspect was left as it is."""
        return self.outcome is not None and self.outcome.unchanged

    @property
    def findings(self) -> Mapping[str, Any]:
        """What the run found out, as the manifest has it."""
        return self.manifest.get("findings", {})

    def class_name(self, label: int) -> str:
        """A class for people: its number, and its name where it has one."""
        if self.class_names is None or not 0 <= label < len(self.class_names):
            return str(label)
        name = printable(self.class_names[label], 80)
        return name if name == str(label) else f"{label} ({name})"


STAGE_TITLES = {
    "badnet": "BadNet, as received",
    "pruned": "Pruned",
    "repaired": "Repaired",
    "detector": "Detector",
    "on device": "On the device",
    "STRIP": "STRIP, of the BadNet alone",
}


def stage_title(stage: str) -> str:
    """A network's name for people."""
    return STAGE_TITLES.get(stage, stage)
