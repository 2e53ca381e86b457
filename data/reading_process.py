"""A process of its own for reading a file that nobody vouches for with a library written in C.

The HDF5 library can be led astray by a few changed bytes: it loops for ever, takes all memory, or crashes, in C, where
nothing in the same process can stop it. So it reads such files in a process that ends itself when its time is over,
also when whoever started it is gone by then.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from typing import Any

MOST_MEMORY = 2**31
_SECONDS = 6.0
_BYTES_A_SECOND = 20 * 2**20


def seconds_for(size: int) -> float:
    """How long reading may take: some seconds, and one more for every 20 MiB of `size`, in bytes."""
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


def restrict_this_process(most_file_bytes: int) -> None:
    """Bounds the memory of this process and the files that it may write; Ctrl-C is left to the one that started it.

    Args:
        most_file_bytes: the largest file that it may write, 0 for none.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_file_bytes, most_file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def end_this_process_after(seconds: float) -> None:
    """From now on this process has so long to live, whatever it does; 0 lifts that."""
    signal.setitimer(signal.ITIMER_REAL, seconds)


def how_it_ended(status: int, seconds: float) -> str:
    """Why a process that had `seconds` ended with a status other than 0, for a message."""
    if status == -signal.SIGALRM:
        return f"reading it takes longer than {seconds:.0f} s"
    if status < 0:
        return f"the HDF5 library crashed on it, signal {-status}"
    return f"reading it ended with status {status}"
