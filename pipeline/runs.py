"""Where a repair's folder is, and what is in one."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data.errors import InputError
from models.input_scale import InputScale
from pipeline.manifest import FILE_NAME, read_manifest
from pipeline.outputs import sha256_of
from pipeline.progress import log

_SUFFIX = "_repaired"


@dataclass(frozen=True)
class Artefacts:
    """Paths of the models in a run's folder."""

    pruned: str
    repaired_h5: str
    repaired_keras: str
    detector_keras: str
    detector_tflite: str

    @classmethod
    def within(cls, folder: str) -> "Artefacts":
        """The artefacts of a run that writes to a folder."""
        names = ("pruned.h5", "repaired.h5", "repaired.keras", "detector.keras", "detector.tflite")
        return cls(*(os.path.join(folder, name) for name in names))

    def paths(self) -> dict[str, str]:
        """Path by file name."""
        return {os.path.basename(path): path for path in vars(self).values()}


@dataclass(frozen=True)
class Run:
    """A finished repair.

    Attributes:
        folder: where it is.
        artefacts: its models.
        manifest: what it was.
    """

    folder: str
    artefacts: Artefacts
    manifest: Mapping[str, Any]

    @property
    def input_scale(self) -> InputScale:
        """What its classifiers expect of pixels.

        Raises:
            InputError: the manifest does not say it.
        """
        findings = self.manifest.get("findings")
        try:
            return InputScale.from_json(findings.get("input_scale") if isinstance(findings, dict) else None)
        except InputError as error:
            raise InputError(f"{os.path.join(self.folder, FILE_NAME)}: {error}") from error


def default_run_dir(model: str) -> str:
    """Where the repair of a model goes unless a flag says otherwise: beside it."""
    return os.path.splitext(model)[0] + _SUFFIX


def open_run(folder: str, model: str) -> Run:
    """Opens the repair of a model.

    Raises:
        InputError: the folder holds no finished repair, or that of another model.
    """
    run = Run(folder, Artefacts.within(folder), read_manifest(folder))
    if not _is_of(run, model):
        raise InputError(f"{folder}: the repair of another model; expected that of {model}")
    return run


def find_run(model: str) -> Run | None:
    """The repair of a model that lies beside it, in its default folder or in the model's own; None if there is none.

    Raises:
        InputError: there is a manifest that cannot be read.
    """
    for folder in (default_run_dir(model), os.path.dirname(os.path.abspath(model))):
        if os.path.exists(os.path.join(folder, FILE_NAME)):
            run = Run(folder, Artefacts.within(folder), read_manifest(folder))
            if _is_of(run, model):
                return run
            log.info("%s: the repair of another model than %s", folder, model)
    return None


def _is_of(run: Run, model: str) -> bool:
    return sha256_of(model) in run.manifest["inputs"].values()
