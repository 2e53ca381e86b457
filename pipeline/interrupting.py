"""Ctrl-C and SIGTERM: one line and status 130, from the first import to the end, and no traceback."""

import os
import signal
from types import FrameType

STATUS = 130


def is_started_as_a_program(argv_0: str) -> bool:
    """Whether this process runs one of this folder's modules, rather than something that imports them.

    Args:
        argv_0: `sys.argv[0]`, the file of the module that runs.
    """
    return os.path.dirname(os.path.abspath(argv_0)) == os.path.dirname(os.path.abspath(__file__))


def end_at_once_when_interrupted() -> None:
    """Until `interrupt_main`: an interruption ends the process. For the seconds in which TensorFlow is imported."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # What was ignored, as under nohup, stays so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def interrupt_main() -> None:
    """From now on an interruption raises KeyboardInterrupt, so that what was begun is put in order."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    # Past Python's own stream, which may be in the middle of a line: it refuses a second writer.
    os.write(2, b"interrupted\n")
    os._exit(STATUS)
