"""Files that appear whole or not at all."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from data.errors import InputError
from export.regular_files import open_regular, regular_files

_CHUNK = 1 << 20
# What is beside a file while it is written.
_PARTIAL = ".writing-"
_PARTIAL_HDF5 = ".partial"


def write_whole(path: str, write: Callable[[str], None]) -> None:
    """Lets `write` fill a file beside `path`, then moves it to `path` in one step.

    Args:
        path: the final place; its folder exists.
        write: given a path with the same ending, writes the file there.

    Raises:
        InputError: the disk is full, or the folder cannot be written to.
    """
    folder, name = os.path.split(os.path.abspath(path))
    try:
        with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=folder) as beside:
            unfinished = os.path.join(beside, name)
            write(unfinished)
            _flush(unfinished)
            os.replace(unfinished, path)
    except OSError as error:
        _let_go(error)
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(f"{path}: {reason}; expected a writable folder with room for the file") from error


def _let_go(error: OSError) -> None:
    """Closes what a writer left open: a zip fails again when it is, and Python would print a traceback of that."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        traceback.clear_frames(error.__traceback__)
    finally:
        sys.unraisablehook = hook


def write_bytes(path: str, content: bytes) -> None:
    """Writes a file whole."""

    def write(unfinished: str) -> None:
        with open(unfinished, "wb") as file:
            file.write(content)

    write_whole(path, write)


def write_json(path: str, content: Any) -> None:
    """Writes plain JSON types whole; NaN and infinity are refused rather than written."""
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    write_bytes(path, (text + "\n").encode())


def make_folder(path: str, flag: str = "out_dir") -> None:
    """Makes a folder that can be written to.

    Args:
        path: the folder.
        flag: the flag that names it, for the message.

    Raises:
        InputError: it cannot be made, is a file, or is read-only.
    """
    try:
        os.makedirs(path, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(f"--{flag}={path}: {reason}; expected a folder that can be written to") from error


@contextlib.contextmanager
def only_run_in(folder: str, flag: str = "out_dir") -> Iterator[None]:
    """Holds a folder for this process, so that two runs never mix their files.

    The lock goes with the process, however that ends. What a killed run was writing in the folder is cleared away.

    Args:
        folder: the folder.
        flag: the flag that names it, for the message.

    Raises:
        InputError: another run holds it.
    """
    path = os.path.join(folder, ".lock")
    with contextlib.ExitStack() as held:
        while True:
            lock = held.enter_context(open(path, "w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    f"--{flag}={folder}: another run is writing there; expected a folder of its own for each"
                ) from None
            if _is_still_there(lock.fileno(), path):
                break
        try:
            _clear_partial_files(folder)
            yield
        finally:
            # While it is held: whoever has opened it too looks again whether it is still there.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def sha256_of(path: str) -> str:
    """SHA-256 of a file in hex; of a folder, that of its regular files' relative names and digests in order."""
    digest = hashlib.sha256()
    if os.path.isdir(path):
        for inside in regular_files(path):
            name = os.fsencode(os.path.relpath(inside, path))
            digest.update(name + f"\0{sha256_of(inside)}\n".encode())
        return digest.hexdigest()
    try:
        file = open_regular(path)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    with file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _is_still_there(file: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _clear_partial_files(folder: str) -> None:
    for entry in os.scandir(folder):
        if entry.name.startswith(_PARTIAL) and entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        elif entry.name.startswith(".") and entry.name.endswith(_PARTIAL_HDF5):
            os.unlink(entry.path)


def _flush(path: str) -> None:
    if os.path.isfile(path):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
