"""What `audit`, `repair` and `detect` give back: plain attributes, and a display in notebooks."""

import functools
import os
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodnet.models.input_scale import InputScale
from goodnet.models.legacy_keras import keras
from goodnet.pipeline.api.arguments import speaking_of_arguments
from goodnet.pipeline.api.keras_models import in_keras_3
from goodnet.pipeline.inputs.case import Case
from goodnet.pipeline.inversion.evidence import Evidence
from goodnet.pipeline.measuring.evaluation import Evaluation
from goodnet.pipeline.repair_steps import REPORT, copy_run, refuse_to_replace_inputs
from goodnet.pipeline.reporting.evidence import evidence_as_json, summary
from goodnet.pipeline.reporting.notebook import evidence_html, result_html
from goodnet.pipeline.reporting.run_record import RunRecord
from goodnet.pipeline.reporting.verdict import give_verdict
from goodnet.pipeline.run.finished_runs import Artefacts
from goodnet.pipeline.run.output_files import write_whole


@dataclass(frozen=True, eq=False, repr=False)
class AuditVerdict:
    """Whether a model is backdoored, and why.

    Attributes:
        name: "backdoor", "clean" or "inconclusive".
        reason: the sentence that says why.
        targets: the labels found to be an attacker's targets.
        doubtful: labels that may be.
        evidence: of each suspicious label its smallest trigger, how far it stands out and where it works.
        input_scale: what the model was found to expect of pixels.
        record: what its display is made of.
    """

    evidence: Evidence
    input_scale: InputScale
    record: RunRecord

    @property
    def name(self) -> str:
        """As in the class."""
        return self.evidence.verdict.name

    @property
    def reason(self) -> str:
        """As in the class."""
        return self.evidence.verdict.reason

    @property
    def targets(self) -> tuple[int, ...]:
        """As in the class."""
        return self.evidence.verdict.targets

    @property
    def doubtful(self) -> tuple[int, ...]:
        """As in the class."""
        return self.evidence.verdict.doubtful

    def summary(self) -> str:
        """The verdict and a table of the most suspicious labels, as the command prints them."""
        return summary(self.evidence)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, as in the command's `audit.json`."""
        return evidence_as_json(self.evidence)

    def __repr__(self) -> str:
        suspicions = [str(one) for one in self.evidence.suspicions[:1]]
        return "\n".join([f"{self.name}: {self.reason}", *suspicions])

    def _repr_html_(self) -> str:
        return evidence_html(self.record)


class OwnFolder:
    """A temporary folder. It is removed with this object, or when the process ends."""

    def __init__(self) -> None:
        """Makes the folder."""
        self.path = tempfile.mkdtemp(prefix="goodnet-")
        self.remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True, eq=False, repr=False)
class RepairResult:
    """A repaired model, its detector, and what was measured.

    The files of the run are in a temporary folder, which is removed with this object; `export` copies them out.

    Attributes:
        verdict: on the model as it came; None where the method looks for no evidence.
        changed: whether the model was repaired; a model without evidence of a backdoor is left as it is.
        evaluation: the figures, by set and network.
        table: the same as text.
        input_scale: what `model` expects of pixels; the model that was given expects the same.
        record: what the report is made of.
    """

    verdict: AuditVerdict | None
    evaluation: Evaluation
    table: str
    input_scale: InputScale
    record: RunRecord
    _case: Case
    _folder: OwnFolder
    _keras_3: bool

    @property
    def changed(self) -> bool:
        """As in the class."""
        return not self.record.unchanged

    @functools.cached_property
    def model(self) -> Any:
        """The repaired classifier: images on `input_scale`, float32 [B, H, W, C], -> [B, N]; not compiled.

        It is a `tf_keras.Model`, of Keras 2. Of a model of Keras 3 that was given in memory it is a `keras.Model` of
        Keras 3; where Keras 3 lacks one of its layers, a warning says so, and it is one of Keras 2.
        """
        model = keras.models.load_model(self._files.repaired_keras, compile=False)
        return in_keras_3(self._files.repaired_h5, model) if self._keras_3 else model

    @functools.cached_property
    def detector(self) -> keras.Model:
        """The detector, a `tf_keras.Model`: raw pixels 0..255, float32 [B, H, W, C], -> scores float32 [B, N + 1].

        Argmax is the class, or N for an image that carries a trigger. `goodnet.detect` takes it.
        """
        return keras.models.load_model(self._files.detector_keras, compile=False)

    @property
    def tflite(self) -> str:
        """Path of the detector for devices; the file is there as long as this object."""
        return self._files.detector_tflite

    def report(self, path: str | os.PathLike[str] | None = None) -> str:
        """The report: one HTML file that needs nothing else.

        Args:
            path: where to write it; None for the temporary folder, which is removed with this object.

        Returns:
            The file's path.

        Raises:
            InputError: the file cannot be written.
        """
        written = os.path.join(self._folder.path, REPORT)
        if path is None:
            return written
        path = os.fspath(path)
        with speaking_of_arguments():
            write_whole(path, functools.partial(shutil.copyfile, written))
        return path

    def export(self, out_dir: str | os.PathLike[str]) -> str:
        """Writes what the command `repair` leaves to a folder, each file whole or not at all.

        These are repaired.h5, repaired.keras, pruned.h5, detector.keras, detector.tflite (with its threshold and the
        class names in it), device.zip (what a device needs beside Python), metrics.json, manifest.json and report.html.

        Args:
            out_dir: the folder; it is made where it is missing, and an earlier run's files in it are replaced.

        Returns:
            The folder's path.

        Raises:
            InputError: the folder cannot be written to, another run is writing there, or the model that was repaired
                stands where a file is to be.
        """
        out_dir = os.fspath(out_dir)
        with speaking_of_arguments():
            refuse_to_replace_inputs(self._case, out_dir)
            copy_run(self._folder.path, out_dir)
        return out_dir

    def __repr__(self) -> str:
        headline = give_verdict(self.record).headline
        found = [] if self.verdict is None else [repr(self.verdict).split("\n")[0]]
        return "\n".join([*found, headline])

    def _repr_html_(self) -> str:
        return result_html(self.record)

    @property
    def _files(self) -> Artefacts:
        return Artefacts.within(self._folder.path)


@dataclass(frozen=True, eq=False, repr=False)
class Detections:
    """What a detector says of n images.

    Attributes:
        labels: int64 [n] in 0..N; N where an image carries a trigger, else the repaired network's class.
        suspicion: float32 [n] in 0..1, the score that is compared with the threshold.
        backdoor_label: N.
    """

    labels: np.ndarray
    suspicion: np.ndarray
    backdoor_label: int

    @property
    def is_backdoor(self) -> np.ndarray:
        """Bool [n], whether the label is N."""
        return self.labels == self.backdoor_label

    def __repr__(self) -> str:
        return f"{int(self.is_backdoor.sum())} of {len(self.labels)} images flagged (label {self.backdoor_label})"
