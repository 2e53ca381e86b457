"""Where the pipeline says what it is doing, apart from what TensorFlow says of itself."""

import logging
import sys

from goodnet.data.progress import log
from goodnet.export.printable import printable

__all__ = ["log", "progress_handler", "quieten_tensorflow"]


def progress_handler() -> logging.Handler:
    """What writes a plain line to stderr for each message."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PlainFormatter())
    return handler


def quieten_tensorflow() -> None:
    """No more warnings of retracing and of saved files that were never compiled: nothing that a user could mend."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


class _PlainFormatter(logging.Formatter):
    """The message, printable, behind the level's name if it is more than information."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if record.levelno <= logging.INFO else record.levelname.lower() + ": "
        return prefix + printable(record.getMessage(), limit=1000)
