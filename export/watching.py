"""Watches a folder for files that come into it. Standard library only, so that it works on any file system."""

import os
from collections.abc import Callable, Iterator

from goodnet.export.regular_files import Entry, walk


def arrivals(folder: str, pause: Callable[[], bool]) -> Iterator[Entry | OSError]:
    """What lies in a folder and what comes into it, at any depth, each once it is whole.

    A file counts as whole when size and time of change are the same at two looks, with a pause between them. A file
    that changes after that comes again, as a new one.

    Args:
        folder: the folder.
        pause: waits before the next look; False ends the watch.

    Yields:
        Entries, and an OSError for what cannot be listed, once until it can be again.
    """
    seen: dict[str, object] = {}
    done: dict[str, object] = {}
    while True:
        found = {_path(one): (one, _state(one)) for one in walk(folder)}
        for path, (one, state) in found.items():
            if seen.get(path) == state and done.get(path) != state:
                done[path] = state
                yield one
        # What has gone is forgotten: a watch may last for months.
        seen = {path: state for path, (_, state) in found.items()}
        done = {path: state for path, state in done.items() if path in found}
        if not pause():
            return


def _path(found: Entry | OSError) -> str:
    return str(found.filename) if isinstance(found, OSError) else found.path


def _state(found: Entry | OSError) -> object:
    if isinstance(found, OSError):
        return found.errno
    try:
        now = os.stat(found.path, follow_symlinks=False)
    except OSError as error:  # It has gone since.
        return error.errno
    return now.st_ino, now.st_size, now.st_mtime_ns
