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
    """A name that nobody can foresee for a run that begins: 32 hexadecimal digits, noted."""
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
    """Whether a name, which may be anything out of a file, was noted."""
    folder = _folder()
    if folder is None or not isinstance(name, str) or not _NAME.fullmatch(name):
        return False
    return os.path.lexists(os.path.join(folder, name))


def _folder() -> str | None:
    """Where the notes are; None where the user's cache has no place of its own (a relative path is anybody's)."""
    folder = os.path.join(default_cache_dir(), "runs")
    return folder if os.path.isabs(folder) else None


def _note(name: str) -> None:
    """An empty file of that name. A run goes on without: it is not found by itself later, and has to be named."""
    folder = _folder()
    if folder is None:
        return
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        os.close(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        log.info("%s: %s; this run will not be found by itself", folder, os.strerror(error.errno or 0))
