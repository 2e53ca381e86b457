"""Ctrl-C and SIGTERM: one line and status 130, from the first import to the end, and no traceback."""

import os
import signal
from collections.abc import Callable
from types import FrameType

STATUS = 130

_came = False


def end_at_once_when_interrupted() -> None:
    """From now on an interruption ends the process at once: during TensorFlow's import, or after all work is done."""
    _handle_by(_end)


def interrupt_main() -> None:
    """From now on an interruption raises KeyboardInterrupt, so that the program can clean up."""
    _handle_by(_raise)


def was_interrupted() -> bool:
    """Whether an interruption has come since `interrupt_main`.

    C code that Python interrupts may make another error of the KeyboardInterrupt (CPython's own `list` and `any`, of a
    generator, a SystemError), or drop it.
    """
    return _came


def _handle_by(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        # What was ignored, as under nohup, stays so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _raise(number: int, frame: FrameType | None) -> None:
    global _came
    _came = True
    raise KeyboardInterrupt


def _end(number: int, frame: FrameType | None) -> None:
    # Past Python's own stream, which may be in the middle of a line: it refuses a second writer.
    os.write(2, b"interrupted\n")
    os._exit(STATUS)
