"""Where a repair's folder is, and what is in one."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from goodnet.data.errors import InputError
from goodnet.models.input_scale import InputScale
from goodnet.pipeline.run import own_runs
from goodnet.pipeline.run.manifest import FILE_NAME, manifest_bytes, read_manifest
from goodnet.pipeline.run.output_files import sha256_of
from goodnet.pipeline.run.progress import log

DEVICE_BUNDLE = "device.zip"
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

    @property
    def device_bundle(self) -> str:
        """Path of the archive for a device. What is in it is made of `detector_tflite`, so no command reads it."""
        return os.path.join(os.path.dirname(self.detector_tflite), DEVICE_BUNDLE)

    def paths(self) -> dict[str, str]:
        """Path of each model by file name."""
        return {os.path.basename(path): path for path in vars(self).values()}


@dataclass(frozen=True)
class Run:
    """A finished repair.

    Attributes:
        folder: where it is.
        artefacts: its models, which are the files that its manifest names.
        input_scale: the pixel scale of its classifiers.
        manifest: what it was.
    """

    folder: str
    artefacts: Artefacts
    input_scale: InputScale
    manifest: Mapping[str, Any]


def default_run_dir(model: str) -> str:
    """Where the repair of a model goes unless a flag says otherwise: beside it."""
    return os.path.splitext(model)[0] + _SUFFIX


def open_run(folder: str, model: str) -> Run:
    """Opens the repair of a model.

    Raises:
        InputError: the folder holds no finished repair, or that of another model, or other files than its manifest
            names.
    """
    manifest = read_manifest(folder)
    if sha256_of(model) not in manifest["inputs"].values():
        raise InputError(f"{folder}: the repair of another model; expected that of {model}")
    artefacts = Artefacts.within(folder)
    for name, path in artefacts.paths().items():
        if manifest["outputs"].get(name) != sha256_of(path):
            raise InputError(f"{path}: not the file that the run wrote, says {FILE_NAME}; expected that one")
    return Run(folder, artefacts, _input_scale(folder, manifest), manifest)


def find_run(model: str) -> Run | None:
    """The repair of a model that lies beside it, in its default folder or in the model's own; None if there is none.

    A repair that this program did not make for this user may have come with the model: it is left alone, with a
    warning.

    Raises:
        InputError: as `open_run`, of a repair of the user's own.
    """
    for folder in (default_run_dir(model), os.path.dirname(os.path.abspath(model))):
        if not os.path.lexists(os.path.join(folder, FILE_NAME)):
            continue
        if not own_runs.is_own_manifest(manifest_bytes(folder)):
            log.warning(
                "%s: left alone, since this program did not make it for you on this machine and it may have come with "
                "the model; --run=%s takes it for a repair that you trust",
                folder,
                folder,
            )
        elif sha256_of(model) in read_manifest(folder)["inputs"].values():
            return open_run(folder, model)
        else:
            log.info("%s: the repair of another model than %s", folder, model)
    return None


def _input_scale(folder: str, manifest: Mapping[str, Any]) -> InputScale:
    try:
        return InputScale.from_json(manifest["findings"].get("input_scale"))
    except InputError as error:
        raise InputError(f"{os.path.join(folder, FILE_NAME)}: {error}") from error
