"""Messages for callers from Python: they name arguments where a command line has flags."""

import contextlib
import logging
from collections.abc import Iterator

from goodnet.data.errors import InputError
from goodnet.pipeline.reporting.flag_names import naming_settings
from goodnet.pipeline.run.progress import log, progress_handler

# Arguments that are not called as the flags are.
_NAMES = {"clean_data": "images", "test_data": "test", "poisoned_data": "poisoned"}


def in_arguments(message: str) -> str:
    """A message with arguments in place of flags."""
    return naming_settings(message, _NAMES)


@contextlib.contextmanager
def speaking_of_arguments(verbose: bool = False) -> Iterator[None]:
    """Errors and log lines name arguments; with `verbose`, progress is written to stderr, without it only warnings.

    Where the caller has handlers for the log, warnings go there.

    Raises:
        InputError: the one that was raised, in other words.
    """
    handler = progress_handler()
    level, propagates = log.level, log.propagate
    translated = _Translation()
    loggers = (log, logging.getLogger("absl"))
    for logger in loggers:
        logger.addFilter(translated)
    if verbose:
        log.setLevel(logging.INFO)
    else:
        # The log's own level may come from the caller, who set it for all logs.
        handler.setLevel(logging.WARNING)
    if verbose or not log.hasHandlers():
        # Else absl gives the root logger a handler on the way, and further warnings look otherwise than the first.
        log.addHandler(handler)
        log.propagate = False
    try:
        yield
    except InputError as error:
        raise InputError(in_arguments(str(error))) from None
    finally:
        for logger in loggers:
            logger.removeFilter(translated)
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagates


class _Translation(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = in_arguments(record.getMessage()), ()
        return True
