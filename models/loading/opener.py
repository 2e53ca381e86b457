"""Has suspect model files read by another process, which may do what it likes with a hostile one, within limits.

One process a program, started when it is first needed, or earlier by `start_opener`: it imports TensorFlow once and
forks a limited worker for every file (`models.loading.opener_process`). It ends when this process does, however it
ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from dataclasses import dataclass
from typing import Any, BinaryIO

from goodnet.data.errors import InputError
from goodnet.data.reading_process import start

# Not imported: this process may have another use for its time than to import TensorFlow.
# With "-m", as bazel.build_files knows a module that is run.
_PROGRAM = ("-m", "goodnet.models.loading.opener_process")
_SERVE_ANOTHER = {"serve": "another"}
_TOO_LONG = (signal.SIGALRM, signal.SIGPROF, signal.SIGXCPU)


@dataclass
class _Opener:
    owner: int
    process: subprocess.Popen[bytes] | None
    socket: socket.socket


_opener: _Opener | None = None
_lock = threading.Lock()


def start_opener() -> None:
    """Starts the process in the background, so that it is there when the first file is opened."""
    with _lock:
        _running()


def connection_for_a_fork() -> socket.socket:
    """A connection for a fork of this process that is about to be made: `adopt` saves that another import."""
    own, other = socket.socketpair()
    with _lock, other:
        socket.send_fds(_running().socket, [json.dumps(_SERVE_ANOTHER).encode() + b"\n"], [other.fileno()])
    return own


def adopt(connection: socket.socket) -> None:
    """In a fork, has files read through a connection that was made for it."""
    global _opener
    _opener = _Opener(os.getpid(), None, connection)


def read_elsewhere(file: BinaryIO, target: BinaryIO, request: dict[str, Any]) -> None:
    """Reads a model file in another process.

    Args:
        file: the file, open for reading.
        target: an empty file that takes the network: a copy of `models.loading.plain_copy` whose index has `config` and
            `weights`, [path, arrays] for each layer that has some.
        request: as `models.loading.opener_process` takes it.

    Raises:
        InputError: the file is refused, or the process that read it broke a limit or died; one line that names the
            part of the file, not the file.
    """
    # No file can end the process that forks, but a lack of memory can, or whoever cleans up: another one is tried.
    answer = _answer(file, target, request) or _answer(file, target, request)
    if answer is None:
        raise InputError("the process that opens models ended twice; expected it to last (is memory short?)")
    status, part, said = answer["status"], answer["part"], answer["said"]
    if status == 1:
        raise InputError(said)
    if status in [-number for number in _TOO_LONG]:
        raise InputError(f"{part}: it takes too long; expected a network that opens in less time")
    if status < 0:
        raise InputError(f"{part}: opening it crashed, signal {-status}; expected a network that can be built and run")
    if status:
        raise InputError(f"{part}: {said or 'opening it failed'}; expected a network that can be built and run")


def _answer(file: BinaryIO, target: BinaryIO, request: dict[str, Any]) -> dict[str, Any] | None:
    """What the process says of a file; None if it ended meanwhile."""
    message = json.dumps(request).encode() + b"\n"
    with _lock:
        opener = _running()
        try:
            target.truncate(0)
            target.seek(0)
            socket.send_fds(opener.socket, [message], [file.fileno(), target.fileno()])
            line = opener.socket.makefile("rb").readline()
        except OSError:
            line = b""
        except BaseException:
            _stop()
            raise
        if not line.endswith(b"\n"):
            _stop()
            return None
    return dict(json.loads(line))


def _running() -> _Opener:
    global _opener
    if _opener is not None and _opener.owner != os.getpid():  # A fork must leave the other one's alone.
        _opener.socket.close()
        _opener = None
    if _opener is not None and _opener.process is not None and _opener.process.poll() is not None:
        _stop()
    if _opener is None:
        own, other = socket.socketpair()
        with other:
            null = subprocess.DEVNULL
            process = start(
                _PROGRAM[1],
                str(other.fileno()),
                pass_fds=(other.fileno(),),
                stdin=null,
                stdout=null,
                stderr=null,
            )
        _opener = _Opener(os.getpid(), process, own)
    return _opener


def _stop() -> None:
    global _opener
    if _opener is not None:
        _opener.socket.close()
        if _opener.process is not None:
            with contextlib.suppress(ProcessLookupError):
                _opener.process.kill()
            _opener.process.wait()
        _opener = None
