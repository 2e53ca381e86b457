"""The working folder of a run: what an interrupted run leaves, and what a resumed one goes on from."""

import contextlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from goodnet.data.errors import InputError
from goodnet.export.regular_files import open_regular
from goodnet.pipeline.run import own_runs
from goodnet.pipeline.run.output_files import check_replaceable, write_bytes, write_json

FOLDER = ".unfinished"
_REQUEST = "request.json"
_RUN = "run"
_MOST_BYTES = 2**24


def open_work_dir(out_dir: str, request: Mapping[str, Any], resume: bool) -> str:
    """Makes the working folder of a run, or finds that of the run to resume.

    Args:
        out_dir: the run's folder, held by this process.
        request: all that the result depends on, plain JSON types.
        resume: whether to go on from an interrupted run; without one there, the run starts from the beginning.

    Returns:
        The path of the working folder.

    Raises:
        InputError: the interrupted run was asked for something else, what is there is not what a run leaves, or a link
            is in its place.
    """
    folder = os.path.join(out_dir, FOLDER)
    wanted = json.loads(json.dumps(request))
    there = _is_there(folder)
    if resume and there and (found := _read_request(folder)) is not None:
        found.pop(_RUN, None)
        if found != wanted:
            raise InputError(
                f"--resume: the run interrupted in {out_dir} had {_difference(found, wanted)}; expected the same "
                "flags, files and version of this program"
            )
        return folder
    if there:
        close_work_dir(folder)
    os.makedirs(folder)
    write_json(os.path.join(folder, _REQUEST), {**wanted, _RUN: own_runs.new_run()})
    return folder


def check_unnamed(out_dir: str, resume: bool) -> None:
    """Refuses a folder beside the suspect that no flag names, if it may have come with the suspect.

    A link leads to somebody else's files; and who goes on from an interrupted run takes its weights for the repair's.

    Args:
        out_dir: the folder, which need not be there.
        resume: whether the run is to go on from an interrupted one.

    Raises:
        InputError: it is a link, or holds an interrupted run that this program did not start for this user.
    """
    if os.path.islink(out_dir):
        raise InputError(f"{out_dir}: a link, which may have come with the model; expected --out_dir=FOLDER")
    folder = os.path.join(out_dir, FOLDER)
    if not resume or not _is_there(folder) or (found := _read_request(folder)) is None:
        return
    if not own_runs.is_own(found.get(_RUN)):
        raise InputError(
            f"--resume: {folder} is not known to be of a run that you started, and may have come with the model; "
            f"expected --out_dir={out_dir} if it is yours"
        )


def _is_there(folder: str) -> bool:
    """Whether there is a working folder; a link or a file in its place is refused."""
    try:
        mode = os.lstat(folder).st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "no folder"
        raise InputError(f"{folder}: {kind}; expected nothing there, or the working folder of an interrupted run")
    return True


def _read_request(folder: str) -> dict[str, Any] | None:
    """The request of an interrupted run; None if it was killed before it wrote one."""
    path = os.path.join(folder, _REQUEST)
    try:
        with open_regular(path, follow_links=False) as file:
            found = json.loads(file.read(_MOST_BYTES))
        if isinstance(found, dict):
            return found
        reason = "no JSON object"
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    raise InputError(
        f"--resume: {path}: {reason}; expected what an interrupted run leaves (without --resume the run starts anew)"
    )


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
        check_replaceable(os.path.join(out_dir, name))
        os.replace(os.path.join(work_dir, name), os.path.join(out_dir, name))


def write_result(work_dir: str, out_dir: str, name: str, content: str | Mapping[str, Any]) -> None:
    """Writes a file that describes the run, text or JSON, whole, in the working folder first."""
    if isinstance(content, str):
        write_bytes(os.path.join(work_dir, name), content.encode("utf-8", "backslashreplace"))
    else:
        write_json(os.path.join(work_dir, name), content)
    publish(work_dir, out_dir, [name])


def close_work_dir(work_dir: str) -> None:
    """Removes the working folder of a run; the request goes first, so that nobody goes on from half of the rest.

    Raises:
        InputError: a link is in its place; nothing is removed then. Links in it are removed, and not followed.
    """
    if not _is_there(work_dir):
        return
    with contextlib.suppress(FileNotFoundError, IsADirectoryError):
        os.remove(os.path.join(work_dir, _REQUEST))
    shutil.rmtree(work_dir)


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    for name, value in found.items():
        if isinstance(value, Mapping) and isinstance(wanted.get(name), Mapping) and value != wanted[name]:
            return _difference(value, wanted[name])
        if value != wanted.get(name):
            return f"{name} = {value} instead of {wanted.get(name)}"
    return "other settings"
