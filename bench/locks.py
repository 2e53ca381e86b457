"""One process at a time: the others wait."""

import contextlib
import fcntl
import os
from collections.abc import Iterator


@contextlib.contextmanager
def held(path: str) -> Iterator[None]:
    """Holds a lock, after whoever holds it now; it goes with the process, however that ends.

    Args:
        path: a file for the lock alone; it is made, with its folder, and stays.
    """
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
