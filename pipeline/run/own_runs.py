"""Runs that this program made for this user, told from folders that came with a suspect.

Whoever makes a suspect can put a folder beside it that looks like a repair of it, with models of their own. So a run is
found by itself only if it is noted here, in the user's cache; any other one must be named by a flag.
"""

import hashlib
import os
import re
import uuid

from goodnet.pipeline.run.command import default_cache_dir
from goodnet.pipeline.run.progress import log

_NAME = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")


def new_run() -> str:
    """Makes and notes an unpredictable name for a new run: 32 hexadecimal digits."""
    name = uuid.uuid4().hex
    _note(name)
    return name


def note_manifest(content: bytes) -> None:
    """Notes the manifest of a run, by its bytes."""
    _note(hashlib.sha256(content).hexdigest())


def is_own_manifest(content: bytes) -> bool:
    """Whether a manifest of these bytes was noted."""
    return is_own(hashlib.sha256(content).hexdigest())


def is_own(name: object) -> bool:
    """Whether a name was noted. The name comes from a file and may be any value."""
    folder = _folder()
    if folder is None or not isinstance(name, str) or not _NAME.fullmatch(name):
        return False
    return os.path.lexists(os.path.join(folder, name))


def _folder() -> str | None:
    """The folder of the notes; None if the user has no cache folder of their own (a relative path is anybody's)."""
    folder = os.path.join(default_cache_dir(), "runs")
    return folder if os.path.isabs(folder) else None


def _note(name: str) -> None:
    """Writes an empty file of that name. If it cannot, the run goes on, but later it has to be named by a flag."""
    folder = _folder()
    if folder is None:
        return
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        os.close(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        log.info("%s: %s; this run will not be found by itself", folder, os.strerror(error.errno or 0))
