"""Files that appear whole or not at all."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from goodnet.data.errors import InputError
from goodnet.export.regular_files import entries, open_regular, regular_files
from goodnet.pipeline.run.progress import log

_CHUNK = 1 << 20
# What is beside a file while it is written: `write_whole` makes such folders, `data.hdf5.write_hdf5` such files.
_PARTIAL = ".writing-"
_PARTIAL_FOLDER = re.compile(re.escape(_PARTIAL) + r"[a-z0-9_]{8}")
_PARTIAL_HDF5 = re.compile(r"\..+\.[0-9a-f]{32}\.partial", re.DOTALL)


def write_whole(path: str, write: Callable[[str], None]) -> None:
    """Lets `write` fill a file beside `path`, then moves it to `path` in one step.

    Args:
        path: the final place; its folder exists.
        write: given a path with the same ending, writes the file there.

    Raises:
        InputError: the disk is full, the folder cannot be written to, or what is to be replaced is no regular file.
    """
    check_replaceable(path)
    folder, name = os.path.split(os.path.abspath(path))
    try:
        with unfinished_folder(folder) as beside:
            unfinished = os.path.join(beside, name)
            write(unfinished)
            _flush(unfinished)
            os.replace(unfinished, path)
    except OSError as error:
        _let_go(error)
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(f"{path}: {reason}; expected a writable folder with room for the file") from error


def unfinished_folder(folder: str) -> "tempfile.TemporaryDirectory[str]":
    """A folder inside another one for unfinished files. The next run removes what a killed run left in it."""
    return tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=folder)


def check_replaceable(path: str, flag: str | None = None) -> None:
    """Refuses to write a file where a link, a device, a pipe or a folder is: only regular files are replaced.

    Args:
        path: where a file is to be written; nothing may be there yet.
        flag: the flag that names it, for the message.

    Raises:
        InputError: something else than a regular file is there.
    """
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return  # Nothing is there; or the writer says why nothing can be.
    if not stat.S_ISREG(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
        named = f"--{flag}={path}" if flag else path
        raise InputError(f"{named}: {kind}; expected nothing there, or a regular file to replace")


def _let_go(error: OSError) -> None:
    """Closes what a writer left open. Closing a broken zip fails again, and Python would print a traceback of that."""
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
    # What a name that is not UTF-8 has in place of its bytes (surrogates) is escaped as JSON escapes them, too.
    write_bytes(path, (text + "\n").encode("utf-8", "backslashreplace"))


def make_folder(path: str, flag: str = "out_dir") -> None:
    """Makes a folder that can be written to.

    Args:
        path: the folder.
        flag: the flag that names it, for the message.

    Raises:
        InputError: it cannot be made, is a file, is read-only, or has a name that TensorFlow cannot write to.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        # TensorFlow writes checkpoints, and takes paths for UTF-8.
        raise InputError(f"--{flag}={path}: not UTF-8; expected a folder whose path is") from None
    try:
        os.makedirs(path, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(f"--{flag}={path}: {reason}; expected a folder that can be written to") from error


def check_inputs(paths: Iterable[str]) -> None:
    """Refuses paths where neither a file nor a folder is; nothing is opened, and nothing of poisoned data is seen.

    Raises:
        InputError: nothing is there, or something that a reader might wait for.
    """
    for path in paths:
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:
            raise InputError(f"{path}: not found; expected a file or folder") from None
        except (OSError, ValueError) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            raise InputError(f"{path}: {reason}; expected a file or folder") from error
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise InputError(f"{path}: neither a file nor a folder; expected one of them")


@contextlib.contextmanager
def only_run_in(folder: str, flag: str = "out_dir", replaced: Sequence[str] = ()) -> Iterator[None]:
    """Holds a folder for this process, so that two runs never mix their files.

    The folder itself is locked, and no file in it; the lock goes with the process, however that ends. What a killed run
    was writing in the folder is cleared away.

    Args:
        folder: the folder.
        flag: the flag that names it, for the message.
        replaced: patterns of the names that the run will write or remove.

    Raises:
        InputError: another run holds it, or one of these names is a link, a device or a pipe.
    """
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"--{flag}={folder}: another run is writing there; expected a folder of its own for each"
            ) from None
        except OSError as error:  # NFS locks no folders.
            log.warning(
                "%s: cannot be locked (%s); no other run may write there", folder, os.strerror(error.errno or 0)
            )
        _refuse_oddities(folder, flag, replaced)
        _clear_partial_files(folder)
        yield
    finally:
        os.close(held)


def sha256_of(path: str) -> str:
    """SHA-256 of a file in hex; of a folder, that of its regular files' relative names and digests in order.

    Raises:
        InputError: a file cannot be read, or is a device or a pipe, which might never end.
    """
    digest = hashlib.sha256()
    if os.path.isdir(path):
        for inside in regular_files(path):
            digest.update(os.fsencode(f"{os.path.relpath(inside, path)}\0{sha256_of(inside)}\n"))
        return digest.hexdigest()
    try:
        with open_regular(path) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise InputError(f"{path}: {os.strerror(error.errno or 0)}; expected a file that can be read") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return digest.hexdigest()


def _refuse_oddities(folder: str, flag: str, replaced: Sequence[str]) -> None:
    for entry in entries(folder):
        if entry.oddity and any(fnmatchcase(entry.name, pattern) for pattern in replaced):
            raise InputError(
                f"--{flag}={folder}: {entry.name} in it is {entry.oddity}; expected a folder in which only regular "
                "files are replaced"
            )


def _clear_partial_files(folder: str) -> None:
    for entry in entries(folder):
        if entry.is_folder and _PARTIAL_FOLDER.fullmatch(entry.name):
            shutil.rmtree(entry.path, ignore_errors=True)
        elif not entry.is_folder and not entry.oddity and _PARTIAL_HDF5.fullmatch(entry.name):
            os.unlink(entry.path)


def _flush(path: str) -> None:
    if os.path.isfile(path):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
