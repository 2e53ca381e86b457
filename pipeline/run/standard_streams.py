"""Standard streams that may be closed, full, read by nobody, or unable to show a character.

What a command leaves in its files does not depend on who reads what it prints. This module imports only what a starting
Python has imported already.
"""

import os
import sys
from typing import Any


def open_closed_streams() -> None:
    """Opens the null device for each of the descriptors 0 to 2 that is closed.

    The next file that is opened would get the number otherwise, and in it whatever a library prints.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # The lowest number that is free.
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115


class EnduringStream:
    """A text stream to which every write succeeds.

    Characters that it cannot encode are escaped. The first error of the operating system is kept, and from then on what
    is written is lost.

    Attributes:
        refused: that error, or None.
    """

    def __init__(self, stream: Any, number: int):
        """Wraps a stream.

        Args:
            stream: a text stream, such as `sys.stdout`.
            number: its file descriptor.
        """
        self._stream = stream
        self._number = number
        self.refused: OSError | None = None
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Writes a text; returns its length."""
        try:
            self._stream.write(text)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flushes what was written."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def writelines(self, lines: Any) -> None:
        """Writes each of some texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self, error: OSError) -> None:
        self.refused = self.refused or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._number)  # Also what is in buffers, which Python flushes when it ends.
        os.close(nowhere)
