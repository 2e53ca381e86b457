"""The project's binaries in processes of their own: what a user gets, and memory is returned after each."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parent.parent)


class BinaryError(Exception):
    """A binary ended with another exit status than 0; the message is what it said last."""


def run_attack(arguments: Sequence[str], log_path: str) -> float:
    """Runs `pipeline.attack`; see `_run`."""
    return _run(["-m", "goodnet.pipeline.attack", *arguments], log_path)


def run_repair(arguments: Sequence[str], log_path: str) -> float:
    """Runs `pipeline.repair`; see `_run`."""
    return _run(["-m", "goodnet.pipeline.repair", *arguments], log_path)


def _run(arguments: Sequence[str], log_path: str) -> float:
    """Runs a binary to its end.

    Args:
        arguments: of Python.
        log_path: where what it prints goes.

    Returns:
        Seconds that it took.

    Raises:
        BinaryError: it failed.
    """
    path = os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH"))))
    started = time.monotonic()
    with open(log_path, "w") as log:
        # -P: a folder that happens to be called `goodnet` where the user stands is not this package.
        status = subprocess.run(
            [sys.executable, "-P", *arguments],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if status:
        with open(log_path, errors="replace") as log:
            said = [line.strip() for line in log if line.strip()] or [f"exit status {status}"]
        raise BinaryError(next((line for line in reversed(said) if line.startswith("error: ")), said[-1]))
    return time.monotonic() - started
