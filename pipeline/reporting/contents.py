"""What a report is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from goodnet.export.printable import printable
from goodnet.models.input_scale_search import ScaleFinding
from goodnet.pipeline.detection.calibration import Calibration
from goodnet.pipeline.inversion.evidence import Evidence
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.measuring.evaluation import Evaluation
from goodnet.pipeline.measuring.rates import Rate
from goodnet.pipeline.measuring.structure import Structure
from goodnet.pipeline.methods.repair_method import PruningEvidence
from goodnet.pipeline.reporting.examples import Example
from goodnet.pipeline.reporting.plots import SuspicionSample
from goodnet.pipeline.training.loop import Epoch


@dataclass(frozen=True)
class SplitUse:
    """A part of the data and what it was used for.

    Attributes:
        name: such as "fit".
        images: how many.
        used_for: what happened with it, such as "profile, pruning, tuning".
    """

    name: str
    images: int
    used_for: str


@dataclass(frozen=True)
class DeviceCheck:
    """How the exported detector compares with the Keras one.

    Attributes:
        precision: one of `export.precisions.PRECISIONS`.
        runtime: what ran it, such as "tflite_runtime 2.14.0".
        same_label: clean images with the same answer of both.
        largest_difference: of the suspicions on them, 0..1; None if it was not compared.
        same_label_stamped: images stamped at random, or with inverted triggers, with the same answer of both.
        same_flagged: of those of them that the Keras detector flags, how many the exported one flags.
        passed_over: why other precisions did not do, a line each.
    """

    precision: str
    runtime: str
    same_label: Rate
    largest_difference: float | None = None
    same_label_stamped: Rate | None = None
    same_flagged: Rate | None = None
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileFacts:
    """A file that was written.

    Attributes:
        name: in the output folder.
        size: bytes.
        sha256: hexadecimal.
    """

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, eq=False)
class TriggerExample:
    """A trigger that was inverted from the suspect, and a clean image to show it on.

    Attributes:
        trigger: the trigger.
        image: uint8 [H, W, C].
    """

    trigger: InvertedTrigger
    image: np.ndarray


@dataclass(frozen=True)
class ReportContents:
    """Everything a report shows; what is missing, it leaves out and says so where it matters.

    Attributes:
        model: the suspect's file.
        created: when, such as "2026-05-04 13:05 UTC".
        method: the repair, such as "fine-pruning".
        evaluation: figures on clean and poisoned sets.
        class_names: a name for each class, if known.
        attacks: pictures of attacks that worked on the BadNet.
        mistakes: pictures of clean images that were got wrong.
        mistakes_of: the network whose mistakes these are.
        evidence: of a backdoor; None where none was looked for.
        unchanged: whether the suspect was left as it is.
        triggers: of the most suspicious labels, to be shown.
        pruning: profile, curve and schedule; None where nothing was pruned.
        history: the epochs of each training, by its name.
        structure: the network before and after.
        scale: which pixel scale the suspect expects.
        splits: the parts of the data.
        calibration: how the detector's threshold was set.
        suspicions: the detector's scores, for histogram and ROC.
        device: the exported detector against the Keras one.
        files: what was written.
        provenance: titled groups of names and values: versions, settings, SHA-256 of the inputs.
        steps: further sentences on what was done.
    """

    model: str
    created: str
    method: str
    evaluation: Evaluation | None = None
    class_names: tuple[str, ...] | None = None
    attacks: tuple[Example, ...] = ()
    mistakes: tuple[Example, ...] = ()
    mistakes_of: str = "repaired"
    evidence: Evidence | None = None
    unchanged: bool = False
    triggers: tuple[TriggerExample, ...] = ()
    pruning: PruningEvidence | None = None
    history: Mapping[str, tuple[Epoch, ...]] = field(default_factory=dict)
    structure: Structure | None = None
    scale: ScaleFinding | None = None
    splits: tuple[SplitUse, ...] = ()
    calibration: Calibration | None = None
    suspicions: tuple[SuspicionSample, ...] = ()
    device: DeviceCheck | None = None
    files: tuple[FileFacts, ...] = ()
    provenance: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    steps: tuple[str, ...] = ()

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
