"""What every binary does around its `main`: the user's folder, one clear line for a mistake, the exit status."""

import logging
import os
import sys
from collections.abc import Callable, Sequence

import absl.logging
from absl import app, flags

from data.errors import InputError
from pipeline.interrupting import STATUS, end_at_once_when_interrupted, interrupt_main, was_interrupted
from pipeline.progress import log
from pipeline.reporting.terminal import printable
from pipeline.working_directory import enter_working_directory


def run(main: Callable[[Sequence[str]], int | None], resumable: bool = False) -> None:
    """Runs a binary's `main` under absl, as the user of a command line expects it.

    An `InputError`, or an operating system's error that names a file, becomes one line on stderr and exit status 1.
    Ctrl-C and SIGTERM become one line and status 130.

    Args:
        main: the binary.
        resumable: whether it has --resume, to go on from where it was interrupted.
    """

    def guarded(argv: Sequence[str]) -> int | None:
        enter_working_directory()
        _log_progress()
        try:
            interrupt_main()
            return main(argv)
        except (Exception, KeyboardInterrupt) as error:
            if was_interrupted() or isinstance(error, KeyboardInterrupt):
                kept = "; what was finished is kept, --resume goes on from there" if resumable else ""
                print("interrupted" + kept, file=sys.stderr)
                return STATUS
            mistake = _mistake(error)
            if mistake is None:
                raise
            print("error: " + printable(" ".join(mistake.split()), limit=1000), file=sys.stderr)
            return 1
        finally:
            end_at_once_when_interrupted()

    app.run(guarded)


def _mistake(error: BaseException) -> str | None:
    """What to tell the user, if it is a mistake of theirs."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None and error.errno is not None:
        return f"{error.filename}: {os.strerror(error.errno)}"
    return None


def _log_progress() -> None:
    """The pipeline's progress and everybody's warnings go to stderr, a plain line each."""
    formatter = _PlainFormatter()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    log.addHandler(handler)
    log.propagate = False
    log.setLevel(logging.INFO)
    absl.logging.set_verbosity(absl.logging.WARNING)
    absl.logging.get_absl_handler().setFormatter(formatter)


class _PlainFormatter(logging.Formatter):
    """The message, printable, behind the level's name if it is more than information."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if record.levelno <= logging.INFO else record.levelname.lower() + ": "
        return prefix + printable(record.getMessage(), limit=1000)


def positional_or_flag(argv: Sequence[str], position: int, flag: "flags.FlagHolder[str | None]") -> str | None:
    """The value of a flag that may also be given by position.

    Raises:
        InputError: both were given, and they differ.
    """
    given = argv[position] if len(argv) > position else None
    if given is not None and flag.value is not None and given != flag.value:
        raise InputError(f"--{flag.name}={flag.value} and the argument {given}: expected only one of them")
    return given if given is not None else flag.value


def check_arguments(argv: Sequence[str], most: int) -> None:
    """Refuses more arguments than a command takes.

    Raises:
        InputError: there are more.
    """
    if len(argv) > most + 1:
        raise InputError(f"{argv[most + 1]}: unexpected argument; expected at most {most}, and flags (see --help)")


def default_cache_dir() -> str:
    """Where embedded cases are kept unless a flag says otherwise."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "goodnet")
