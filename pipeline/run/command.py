"""What every binary does around its `main`: the user's folder, one clear line for a mistake, the exit status."""

import errno
import gc
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from typing import TextIO, cast

import absl.logging
from absl import app, flags

import goodnet
from goodnet.data.errors import InputError
from goodnet.export.printable import printable
from goodnet.pipeline.run.interrupting import STATUS, end_at_once_when_interrupted, interrupt_main, was_interrupted
from goodnet.pipeline.run.progress import log, progress_handler, quieten_tensorflow
from goodnet.pipeline.run.standard_streams import EnduringStream, open_closed_streams
from goodnet.pipeline.run.working_directory import enter_working_directory


def run(main: Callable[[Sequence[str]], int | None], resumable: bool = False) -> None:
    """Runs a binary's `main` under absl, as the user of a command line expects it.

    Any error becomes one line on stderr and exit status 1; what is no mistake of the user's keeps its traceback in a
    file, for developers. Ctrl-C and SIGTERM become one line and status 130. A standard output that nobody reads to its
    end changes nothing; one that refuses what is written (a full disk) is an error at the end, after all files.

    Args:
        main: the binary.
        resumable: whether it has --resume, to go on from where it was interrupted.
    """
    open_closed_streams()
    stdout, stderr = EnduringStream(sys.stdout, 1), EnduringStream(sys.stderr, 2)
    sys.stdout, sys.stderr = cast(TextIO, stdout), cast(TextIO, stderr)

    def guarded(argv: Sequence[str]) -> int:
        try:
            enter_working_directory()
            _check_flags(main.__module__)
            _log_progress()
            _check_temporary_folder()
            # What was imported stays to the end: a tenth of a short run went into looking for garbage among it.
            gc.freeze()
            interrupt_main()
            status = main(argv) or 0
            stdout.flush()
            if stdout.refused is None or isinstance(stdout.refused, BrokenPipeError):
                return status
            _say_error(f"standard output: {stdout.refused.strerror}; all files are written")
            return status or 1
        except (Exception, KeyboardInterrupt) as error:
            if was_interrupted() or isinstance(error, KeyboardInterrupt):
                kept = "; what was finished is kept, --resume goes on from there" if resumable else ""
                print("interrupted" + kept, file=sys.stderr)
                return STATUS
            _say_error(_mistake(error) or _fault(error))
            return 1
        finally:
            end_at_once_when_interrupted()

    _name_installed_commands()
    app.run(guarded)


def _name_installed_commands() -> None:
    """Lets --help, which is the binary's docstring, name the commands of an installed package."""
    binary = sys.modules["__main__"]
    is_installed = len(goodnet.__path__) == 1
    if is_installed and binary.__doc__:
        binary.__doc__ = binary.__doc__.replace("python -m pipeline.", "goodnet-")


def _check_flags(binary: str) -> None:
    """Refuses flags that are defined only because another binary reads them.

    Args:
        binary: the module; it reads its key flags.

    Raises:
        InputError: such a flag was given.
    """
    read = {flag.name for flag in flags.FLAGS.get_key_flags_for_module(binary)}
    for module, defined in flags.FLAGS.flags_by_module_dict().items():
        for flag in defined:
            if flag.present and flag.name not in read and module.split(".")[0] != "absl":
                raise InputError(f"--{flag.name}: not a flag of this command; expected one of those in --help")


def _say_error(line: str) -> None:
    print("error: " + printable(" ".join(line.split()), limit=1000), file=sys.stderr)


def _mistake(error: BaseException) -> str | None:
    """The line for the user, if the error is a mistake of theirs or a problem of the machine; else None."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"memory: not enough of it {error}"
    if not isinstance(error, OSError) or error.errno is None:
        return None
    if error.filename is not None:
        return f"{_text(error.filename)}: {os.strerror(error.errno)}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{os.strerror(error.errno)}; expected room in the folder for temporary files (TMPDIR), {_temporary()}"
    return None


def _text(name: object) -> str:
    return os.fsdecode(name) if isinstance(name, bytes) else str(name)


def _fault(error: BaseException) -> str:
    """The line for the user about a fault of this program. Its traceback goes to a file."""
    said = printable(f"{type(error).__name__}: {error}", limit=300)
    return f"{said}; this is a fault of the program, and {_log_file(error)}"


def _log_file(error: BaseException) -> str:
    """The file for the traceback: in the user's cache, or else among the temporary files."""
    text = "".join([f"{sys.argv}\n", *traceback.format_exception(error)])
    for folder in (os.path.join(default_cache_dir(), "faults"), _temporary()):
        try:
            os.makedirs(folder, exist_ok=True)
            descriptor, path = tempfile.mkstemp(".log", os.path.basename(sys.argv[0]) + "-", folder)
            with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            return f"{path} is for its developers"
        except OSError:
            continue
    return "no file can be written for its developers"


def _temporary() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:
        return os.curdir


def _check_temporary_folder() -> None:
    """Warns if temporary files will not be in TMPDIR.

    Raises:
        InputError: they can be nowhere.
    """
    named = os.environ.get("TMPDIR")
    try:
        used = tempfile.gettempdir()
    except OSError:
        raise InputError(
            f"TMPDIR={named or ''}: no folder for temporary files can be written to; expected one with room"
        ) from None
    if named and os.path.abspath(named) != used:
        log.warning("TMPDIR=%s: no folder that can be written to, or it is full; temporary files go to %s", named, used)


def _log_progress() -> None:
    """The pipeline's progress and everybody's warnings go to stderr, a plain line each."""
    handler = progress_handler()
    log.addHandler(handler)
    log.propagate = False
    log.setLevel(logging.INFO)
    quieten_tensorflow()
    absl.logging.set_verbosity(absl.logging.WARNING)
    absl.logging.get_absl_handler().setFormatter(handler.formatter)


def positional_or_flag(argv: Sequence[str], position: int, flag: "flags.FlagHolder[str | None]") -> str | None:
    """The value of a flag that may also be a positional argument.

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
