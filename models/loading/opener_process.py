"""Reads suspect model files, each in a limited process of its own; run as a program by `models.loading.opener`.

It has imported TensorFlow, which takes seconds, and runs nothing of it: a fork for every file does, in which a
reader finds TensorFlow at hand and whose end ends nothing else. It lives as long as the other end of its socket.

A request is a line of JSON on the socket, {"architecture", "image_shape", "flat", "limits", "size"}, with two
descriptors: the file, and an empty one for the network. The answer is a line of JSON, {"status", "part", "said"}: the
status as `os.waitstatus_to_exitcode` gives it, what was worked on at last, and the line about what is wrong.
{"serve": "another"}, with a socket for its descriptor, asks for another such process, which takes no time to start; it
has no answer.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import select
import signal
import socket
import sys
from typing import Any

# oneDNN compiles a kernel for every shape, which takes longer than the few images that a network is tried on.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

from goodnet.data.errors import InputError
from goodnet.data.reading_process import end_this_process_after, end_with_parent, lower_limit, no_room, seconds_for
from goodnet.models.legacy_keras import tf
from goodnet.models.loading.canonical_config import canonical_config
from goodnet.models.loading.config_reading import read_config
from goodnet.models.loading.hdf5_reading import MOST_WEIGHT_BYTES
from goodnet.models.loading.model_reading import read_model
from goodnet.models.loading.model_spec import reason
from goodnet.models.loading.network_cost import CostLimits
from goodnet.models.loading.plain_copy import write_array, write_index

_MEMORY = 2 * 2**30
# A large file's weights are held by the network, once more while a layer takes them, and by their gradient.
_MEMORY_A_BYTE = 4
_SECONDS = 60.0
_MULTIPLY_ADDS_A_SECOND = 10**9
_WALL_SECONDS_A_SECOND = 5
_SHARED_BYTES = 4096


class _Notes:
    """What a worker says, in memory that it shares with the process it was forked off: it may die at any time."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 2 * _SHARED_BYTES)

    def at(self, part: str) -> None:
        self._put(0, part)

    def say(self, line: str) -> None:
        self._put(_SHARED_BYTES, line)

    def both(self) -> tuple[str, str]:
        half = _SHARED_BYTES
        part, said = (self._shared[start : start + half].split(b"\0")[0] for start in (0, half))
        return part.decode("utf-8", "replace"), said.decode("utf-8", "replace")

    def _put(self, start: int, text: str) -> None:
        encoded = text.replace("\0", "?").encode("utf-8", "replace")[: _SHARED_BYTES - 1]
        self._shared[start : start + len(encoded) + 1] = encoded + b"\0"


def _restrict(size: int, multiply_adds: int) -> None:
    """Limits of one worker.

    The data segment is bounded, and not the address space: TensorFlow's threads reserve gigabytes of that, the more
    processors a machine has, and use little of it.
    """
    lower_limit(resource.RLIMIT_DATA, _data_bytes() + _MEMORY + _MEMORY_A_BYTE * size)
    lower_limit(resource.RLIMIT_FSIZE, 4 * MOST_WEIGHT_BYTES)
    lower_limit(resource.RLIMIT_CORE, 0)
    seconds = _SECONDS + seconds_for(size) + multiply_adds / _MULTIPLY_ADDS_A_SECOND
    end_this_process_after(seconds, wall_seconds=_WALL_SECONDS_A_SECOND * seconds)


def _data_bytes() -> int:
    """What the process has by now."""
    try:
        with open("/proc/self/status") as status:
            return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmData:"))
    except (OSError, StopIteration):
        return 2**30


def _work(request: dict[str, Any], file: int, target: int, notes: _Notes) -> int:
    """Reads one file and writes the network to `target`; the status to end with."""
    try:
        end_with_parent()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGALRM, signal.SIGPROF):
            signal.signal(number, signal.SIG_DFL)
        limits = CostLimits(*request["limits"])
        _restrict(request["size"], limits.multiply_adds)
        # One thread for all: what a network costs is then the same on every machine.
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        shape = request["image_shape"]
        with os.fdopen(file, "rb") as source, os.fdopen(target, "wb") as copy:
            network = read_model(
                source,
                request["architecture"],
                None if shape is None else tuple(shape),
                request["flat"],
                limits,
                notes.at,
            )
            notes.at("handing it over")
            config = canonical_config(network.spec)
            if read_config(config) != network.spec:
                raise InputError("its configuration can't be written down again; expected one that can")
            weights = [
                [list(path), [write_array(copy, array) for array in arrays]] for path, arrays in network.weights.items()
            ]
            read = {"config": config, "weights": weights, "architecture": network.architecture, "notes": network.notes}
            write_index(copy, read)
        return 0
    except InputError as error:
        notes.say(str(error))
    except BaseException as error:
        notes.say(no_room(error, request["size"]) or f"{type(error).__name__}: {reason(error)}")
        return 2
    return 1


def _answer(server: socket.socket, request: dict[str, Any], descriptors: list[int], ended: int) -> bool:
    """Has a worker read one file; False if whoever asked is gone."""
    notes = _Notes()
    pid = os.fork()
    if pid == 0:
        status = 3
        try:
            server.close()
            status = _work(request, descriptors[0], descriptors[1], notes)
        finally:
            os._exit(status)
    for descriptor in descriptors:
        os.close(descriptor)
    while True:
        readable, _, _ = select.select([server.fileno(), ended], [], [])
        if server.fileno() in readable:  # Nothing else is asked meanwhile: it was closed.
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return False
        os.read(ended, 4096)
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            part, said = notes.both()
            answer = {"status": os.waitstatus_to_exitcode(status), "part": part, "said": said}
            server.sendall(json.dumps(answer).encode() + b"\n")
            return True


def _serve(server: socket.socket) -> None:
    """Answers requests until the other end of the socket is closed."""
    ended, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing)
    while True:
        message, descriptors, _, _ = socket.recv_fds(server, 65536, 2)
        if not message:
            return
        request = json.loads(message)
        if "serve" in request:
            _serve_another(server, descriptors[0])
        elif not _answer(server, request, descriptors, ended):
            return


def _serve_another(server: socket.socket, descriptor: int) -> None:
    """A process like this one for another socket; it is nobody's child, so that nobody has to wait for it."""
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            server.close()
            _serve(socket.socket(fileno=descriptor))
        os._exit(0)
    os.close(descriptor)
    os.waitpid(child, 0)


def main() -> None:
    """Serves the socket whose number is the first argument."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # A network is tried on a few images only.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    server = socket.socket(fileno=int(sys.argv[1]))
    server.setblocking(True)
    _serve(server)


if __name__ == "__main__":
    main()
