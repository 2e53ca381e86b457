"""A process of its own for reading a file that nobody vouches for with a library written in C.

The HDF5 library can be led astray by a few changed bytes: it loops for ever, takes all memory, or crashes, in C, where
nothing in the same process can stop it. So it reads such files in a process that ends itself when its time is over,
also when whoever started it is gone by then.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
from typing import Any, BinaryIO

from goodnet.data.errors import InputError

MOST_MEMORY = 2**31
_SECONDS = 6.0
_BYTES_A_SECOND = 20 * 2**20
# On a busy machine processor time passes slower than the clock; a process that only waits is ended all the same.
_WALL_SECONDS_A_SECOND = 20
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def seconds_for(size: int) -> float:
    """How much processor time reading may take: some seconds, and one more for every 20 MiB of `size`, in bytes."""
    return _SECONDS + size / _BYTES_A_SECOND


def start(module: str, *argv: str, **streams: Any) -> subprocess.Popen[bytes]:
    """Starts a module of this project in a Python process of its own.

    Args:
        module: its name; it calls `restrict_this_process` before it reads anything.
        *argv: its arguments.
        **streams: `stdin`, `stdout` and `stderr`, as `subprocess.Popen` takes them.

    Returns:
        The process.
    """
    # The same modules as here, and none of the working directory's, which may be where the suspect came from.
    search_path = os.pathsep.join(path or os.getcwd() for path in sys.path)
    environment = {
        **os.environ,
        "PYTHONPATH": search_path,
        "PYTHONSAFEPATH": "1",
        # No filters or drivers from shared libraries that happen to lie on a search path.
        "HDF5_PLUGIN_PRELOAD": "::",
        # NumPy's threads reserve address space, which is bounded here, and nothing is calculated.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen([sys.executable, "-m", module, *argv], env=environment, **streams)


def temporary_file(room: int) -> BinaryIO:
    """An unnamed temporary file for what another process writes.

    Args:
        room: about how many bytes it will hold, for the message.

    Raises:
        InputError: there is no temporary folder that can be written to.
    """
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise InputError(no_room(error, room) or f"temporary folder: {error.strerror or error}") from error


def no_room(error: BaseException, room: int) -> str | None:
    """A line about the temporary folder, where that is what an error is about; None elsewhere."""
    if not isinstance(error, OSError):
        return None
    expected = f"expected room for {max(1, room // 2**20)} MiB (TMPDIR names another folder)"
    if error.errno == errno.EFBIG:
        return f"temporary file: {os.strerror(error.errno)}; {expected.split(' (')[0]} under ulimit -f"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"temporary folder {tempfile.gettempdir()}: {os.strerror(error.errno)}; {expected}"
    if error.errno == errno.ENOENT and "temporary directory" in str(error):
        return f"temporary folder: none can be written to; {expected}"
    return None


def restrict_this_process(most_file_bytes: int) -> None:
    """Bounds the memory of this process and the files that it may write; Ctrl-C is left to the one that started it.

    Limits that the user's shell has set lower stay.

    Args:
        most_file_bytes: the largest file that it may write, 0 for none.
    """
    lower_limit(resource.RLIMIT_AS, MOST_MEMORY)
    lower_limit(resource.RLIMIT_FSIZE, most_file_bytes)
    lower_limit(resource.RLIMIT_CORE, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)


def lower_limit(which: int, most: int) -> None:
    """Sets a limit of this process for good, unless it is lower already."""
    lowest = min([most, *(limit for limit in resource.getrlimit(which) if limit != resource.RLIM_INFINITY)])
    resource.setrlimit(which, (lowest, lowest))


def end_with_parent() -> None:
    """From now on this process is killed when the thread that started it is gone, where the system can do that."""
    parent = os.getppid()
    try:
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    except (OSError, AttributeError):
        return  # Not Linux: the timers are left.
    if os.getppid() != parent:
        os._exit(1)


def end_this_process_after(seconds: float, wall_seconds: float | None = None) -> None:
    """From now on this process has so much processor time, and twenty times as long by the clock; 0 lifts that.

    Args:
        seconds: of processor time.
        wall_seconds: by the clock, if not twenty times as many.
    """
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds * _WALL_SECONDS_A_SECOND if wall_seconds is None else wall_seconds)


def how_it_ended(status: int, seconds: float) -> str:
    """Why a process that had `seconds` ended with a status other than 0, for a message."""
    if status in (-signal.SIGALRM, -signal.SIGPROF, -signal.SIGXCPU):
        return f"reading it takes longer than {seconds:.0f} s"
    if status < 0:
        return f"the HDF5 library crashed on it, signal {-status}"
    return f"reading it ended with status {status}"
