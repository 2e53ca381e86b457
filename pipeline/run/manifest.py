"""What a run was: versions, settings, seed, devices, and the SHA-256 of all that went in and came out."""

import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goodnet.data.errors import InputError
from goodnet.export.regular_files import open_regular
from goodnet.pipeline.run.output_files import sha256_of
from goodnet.pipeline.run.source_digest import source_digest

SCHEMA_VERSION = 1
FILE_NAME = "manifest.json"

_MOST_BYTES = 2**26
_PACKAGES = ("tensorflow", "tf-keras", "tensorflow-model-optimization", "numpy", "h5py", "absl-py")


@dataclass(frozen=True)
class Provenance:
    """Where results come from.

    Attributes:
        command: the binary's name.
        settings: every setting of the run by name, plain JSON types.
        seed: the seed.
        devices: names of the devices that trained.
        inputs: SHA-256 by path of the suspect and the clean data.
    """

    command: str
    settings: Mapping[str, Any]
    seed: int
    devices: Sequence[str]
    inputs: Mapping[str, str]

    def request(self) -> dict[str, Any]:
        """All that the result depends on, this program's code included."""
        return {
            "settings": dict(self.settings),
            "seed": self.seed,
            "inputs": dict(self.inputs),
            "code": source_digest(),
        }

    def manifest(
        self, findings: Mapping[str, Any], outputs: Mapping[str, str], measured_on: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The manifest's content.

        Args:
            findings: what the run found out and decided, plain JSON types.
            outputs: path of each file that was written, by name.
            measured_on: SHA-256 by name of the sets that were only measured on.
        """
        return {
            "schema_version": SCHEMA_VERSION,
            "command": self.command,
            **self.request(),
            "devices": list(self.devices),
            "versions": versions(),
            "findings": dict(findings),
            "measured_on": dict(measured_on or {}),
            "outputs": {name: sha256_of(path) for name, path in outputs.items()},
        }


def versions() -> dict[str, str]:
    """The versions that results depend on."""
    found = {package: importlib.metadata.version(package) for package in _PACKAGES}
    return {"python": platform.python_version(), "platform": sys.platform, **found}


def manifest_bytes(folder: str) -> bytes:
    """The manifest of a finished run as it is on disk.

    Raises:
        InputError: there is none, it is no regular file, or it is absurdly large.
    """
    path = os.path.join(folder, FILE_NAME)
    try:
        with open_regular(path, follow_links=False) as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES} bytes")
        return content
    except FileNotFoundError:
        raise InputError(f"{folder}: no {FILE_NAME} in it; expected the folder of a finished repair") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {_reason(error)}; expected the manifest of a finished repair") from error


def read_manifest(folder: str) -> dict[str, Any]:
    """The manifest of a finished run; "inputs" and "outputs" are digests by name, "findings" an object.

    Raises:
        InputError: there is none, or it is not one that this version reads.
    """
    path = os.path.join(folder, FILE_NAME)
    try:
        manifest = json.loads(manifest_bytes(folder))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: {error}; expected the manifest of a finished repair") from error
    if not isinstance(manifest, dict) or manifest.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"{path}: another schema_version than {SCHEMA_VERSION}; expected a manifest of this version")
    missing = [part for part in ("inputs", "findings", "outputs") if not isinstance(manifest.get(part), dict)]
    if missing:
        raise InputError(f"{path}: no {missing[0]} in it; expected the manifest of a finished repair")
    for part in ("inputs", "outputs"):
        if not all(isinstance(digest, str) for digest in manifest[part].values()):
            raise InputError(f"{path}: {part} are not digests by name; expected the manifest of a finished repair")
    return manifest


def _reason(error: Exception) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
