"""Files that appear whole or not at all."""

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from data.errors import InputError

_CHUNK = 1 << 20


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
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as beside:
            unfinished = os.path.join(beside, name)
            write(unfinished)
            _flush(unfinished)
            os.replace(unfinished, path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(f"{path}: {reason}; expected a writable folder with room for the file") from error


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


def make_folder(path: str) -> None:
    """Makes a folder that can be written to.

    Raises:
        InputError: it cannot be made, is a file, or is read-only.
    """
    try:
        os.makedirs(path, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(f"--out_dir={path}: {reason}; expected a folder that can be written to") from error


@contextlib.contextmanager
def only_run_in(folder: str) -> Iterator[None]:
    """Holds a folder for this process, so that two runs never mix their files.

    Raises:
        InputError: another run holds it.
    """
    with open(os.path.join(folder, ".lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"--out_dir={folder}: another run is writing there; expected a folder of its own for each"
            ) from None
        yield


def sha256_of(path: str) -> str:
    """SHA-256 of a file in hex; of a folder, that of its files' relative names and digests in order."""
    if os.path.isdir(path):
        digest = hashlib.sha256()
        for parent, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                file = os.path.join(parent, name)
                digest.update(f"{os.path.relpath(file, path)}\0{sha256_of(file)}\n".encode())
        return digest.hexdigest()
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _flush(path: str) -> None:
    if os.path.isfile(path):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
