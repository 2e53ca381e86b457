"""Where the pipeline says what it is doing, apart from what TensorFlow says of itself."""

import logging
import sys

from goodnet.data.progress import log
from goodnet.export.printable import printable

__all__ = ["log", "progress_handler", "quieten_tensorflow"]


def progress_handler() -> logging.Handler:
    """A log handler that writes one plain line to stderr for each message."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PlainFormatter())
    return handler


def quieten_tensorflow() -> None:
    """Silences TensorFlow's warnings about retracing and about uncompiled models; a user cannot act on them."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


class _PlainFormatter(logging.Formatter):
    """Formats a printable message; the level's name precedes it if it is above INFO."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if record.levelno <= logging.INFO else record.levelname.lower() + ": "
        return prefix + printable(record.getMessage(), limit=1000)
