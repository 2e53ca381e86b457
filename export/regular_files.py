"""Opens untrusted folders and files: only regular files are opened, and no link in a folder is followed.

A pipe, or a link to a device, could make a reader wait or read for ever; a link may lead anywhere. All code that reads
or digests the files of a folder walks it with `regular_files`, so that all of it means the same files.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_KINDS = (
    (stat.S_ISLNK, "a link, which is not followed"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(frozen=True)
class Entry:
    """Something in a folder.

    Attributes:
        path: the folder's path and its name.
        name: its name.
        is_folder: whether it is a folder.
        oddity: what it is, if neither a folder nor a regular file: "a link, which is not followed", "a pipe", ...
    """

    path: str
    name: str
    is_folder: bool
    oddity: str | None = None


def entries(folder: str) -> list[Entry]:
    """What is in a folder, in order of name; an OSError says that it cannot be listed."""
    with os.scandir(folder) as found:
        return [_entry(one) for one in sorted(found, key=lambda one: one.name)]


def walk(folder: str) -> Iterator[Entry | OSError]:
    """All in a folder that is no folder itself, at any depth: what lies in it first, then its folders in order.

    Yields:
        Entries, and an OSError in place of a folder that cannot be listed.
    """
    waiting = [folder]
    while waiting:
        try:
            found = entries(waiting.pop())
        except OSError as error:
            yield error
            continue
        yield from (entry for entry in found if not entry.is_folder)
        waiting += [entry.path for entry in reversed(found) if entry.is_folder]


def regular_files(folder: str) -> Iterator[str]:
    """Paths of the regular files in a folder, at any depth, in the order of `walk`.

    Raises:
        OSError: the folder, or one in it, cannot be listed.
    """
    for entry in walk(folder):
        if isinstance(entry, OSError):
            raise entry
        if entry.oddity is None:
            yield entry.path


def open_regular(path: str, follow_links: bool = True) -> BinaryIO:
    """Opens a file to read it, and nothing that is not one.

    Args:
        path: of the file.
        follow_links: whether the path itself may be a link, as one may that a person has typed.

    Returns:
        The open file.

    Raises:
        OSError: it cannot be opened.
        ValueError: "a pipe", or whatever else it is.
    """
    # Looked at before it is opened: opening is what some devices act on. And again after: it may have been exchanged.
    _check_regular(os.stat(path, follow_symlinks=follow_links))
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags if follow_links else flags | getattr(os, "O_NOFOLLOW", 0))
    try:
        _check_regular(os.fstat(descriptor))
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _entry(found: "os.DirEntry[str]") -> Entry:
    if found.is_dir(follow_symlinks=False):
        return Entry(found.path, found.name, is_folder=True)
    try:
        oddity = _oddity(found.stat(follow_symlinks=False).st_mode)
    except OSError as error:
        oddity = os.strerror(error.errno or 0)
    return Entry(found.path, found.name, is_folder=False, oddity=oddity)


def _oddity(mode: int) -> str | None:
    if stat.S_ISREG(mode):
        return None
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), "no regular file")


def _check_regular(found: os.stat_result) -> None:
    oddity = "a folder" if stat.S_ISDIR(found.st_mode) else _oddity(found.st_mode)
    if oddity:
        raise ValueError(f"{oddity}; expected a regular file")
