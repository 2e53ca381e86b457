"""The working folder of a run: what an interrupted run leaves, and what a resumed one goes on from."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from data.errors import InputError
from pipeline.outputs import write_json

_FOLDER = ".unfinished"
_REQUEST = "request.json"


def open_work_dir(out_dir: str, request: Mapping[str, Any], resume: bool) -> str:
    """Makes the working folder of a run, or finds the one to go on in.

    Args:
        out_dir: the run's folder, held by this process.
        request: all that the result depends on, plain JSON types.
        resume: whether to go on from an interrupted run; without one there, the run starts from the beginning.

    Returns:
        The path of the working folder.

    Raises:
        InputError: the interrupted run was asked for something else.
    """
    folder = os.path.join(out_dir, _FOLDER)
    wanted = json.loads(json.dumps(request))
    if resume and os.path.exists(os.path.join(folder, _REQUEST)):
        with open(os.path.join(folder, _REQUEST)) as file:
            found = json.load(file)
        if found != wanted:
            raise InputError(
                f"--resume: the run interrupted in {out_dir} had {_difference(found, wanted)}; expected the same "
                "flags and files"
            )
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    write_json(os.path.join(folder, _REQUEST), wanted)
    return folder


def publish(work_dir: str, out_dir: str, names: Sequence[str], replaced: Sequence[str]) -> None:
    """Moves finished files to their final places.

    Args:
        work_dir: where they are.
        out_dir: where they go; on the same file system.
        names: the files.
        replaced: files of an earlier run that describe its files and go first, so that they never describe others.
    """
    for name in replaced:
        if os.path.exists(os.path.join(out_dir, name)):
            os.remove(os.path.join(out_dir, name))
    for name in names:
        os.replace(os.path.join(work_dir, name), os.path.join(out_dir, name))


def close_work_dir(work_dir: str) -> None:
    """Removes the working folder of a run that is complete."""
    shutil.rmtree(work_dir)


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    for name, value in found.items():
        if isinstance(value, Mapping) and isinstance(wanted.get(name), Mapping) and value != wanted[name]:
            return _difference(value, wanted[name])
        if value != wanted.get(name):
            return f"{name} = {value} instead of {wanted.get(name)}"
    return "other settings"
