"""The working folder of a run: what an interrupted run leaves, and what a resumed one goes on from."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from data.errors import InputError
from pipeline.outputs import write_bytes, write_json

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
                "flags, files and version of this program"
            )
        return folder
    if os.path.exists(folder):
        close_work_dir(folder)
    os.makedirs(folder)
    write_json(os.path.join(folder, _REQUEST), wanted)
    return folder


def remove_earlier(out_dir: str, names: Sequence[str]) -> None:
    """Removes the files of an earlier run, so that files of two runs never lie together.

    Args:
        out_dir: the folder.
        names: the files, in this order: first those that describe others.
    """
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(out_dir, name))


def publish(work_dir: str, out_dir: str, names: Iterable[str]) -> None:
    """Moves finished files to their final places.

    Args:
        work_dir: where they are.
        out_dir: where they go; on the same file system.
        names: the files.
    """
    for name in names:
        os.replace(os.path.join(work_dir, name), os.path.join(out_dir, name))


def leave(work_dir: str, out_dir: str, name: str, content: str | Mapping[str, Any]) -> None:
    """Writes a file that describes the run, text or JSON, whole, in the working folder first."""
    if isinstance(content, str):
        write_bytes(os.path.join(work_dir, name), content.encode())
    else:
        write_json(os.path.join(work_dir, name), content)
    publish(work_dir, out_dir, [name])


def close_work_dir(work_dir: str) -> None:
    """Removes the working folder of a run; the request goes first, so that nobody goes on from half of the rest."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(work_dir, _REQUEST))
    shutil.rmtree(work_dir)


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    for name, value in found.items():
        if isinstance(value, Mapping) and isinstance(wanted.get(name), Mapping) and value != wanted[name]:
            return _difference(value, wanted[name])
        if value != wanted.get(name):
            return f"{name} = {value} instead of {wanted.get(name)}"
    return "other settings"
