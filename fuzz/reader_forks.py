"""Forks reading processes off one that has imported what they need; see `forked_start`.

The first argument is the socket to listen on. The peak memory of each fork, in bytes, goes to standard output.
"""

import array
import contextlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from typing import Any

from goodnet.data import hdf5_serving
from goodnet.models.loading import hdf5_reading

# What is forked has imported these, and with them NumPy and h5py; it runs them again as programs.
MODULES = (hdf5_serving.__name__, hdf5_reading.__name__)


def _serve(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(64)
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writing)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        print("ready", flush=True)
        waiting = selectors.DefaultSelector()
        waiting.register(listening, selectors.EVENT_READ)
        waiting.register(reading, selectors.EVENT_READ)
        forks: dict[int, socket.socket] = {}
        while True:
            for key, _ in waiting.select():
                if key.fileobj is listening:
                    asking, _ = listening.accept()
                    pid = _fork(asking)
                    forks[pid] = asking
                    waiting.register(asking, selectors.EVENT_READ, pid)
                elif key.fileobj == reading:
                    os.read(reading, 4096)
                    _report_ends(forks, waiting)
                elif key.data in forks:  # Whoever asked was killed.
                    os.kill(key.data, signal.SIGKILL)
                    waiting.unregister(key.fileobj)


def _fork(asking: socket.socket) -> int:
    message, passed, _, _ = asking.recvmsg(65536, socket.CMSG_SPACE(12))
    streams = array.array("i", passed[0][2])
    pid = os.fork()
    if pid:
        for stream in streams:
            os.close(stream)
        return pid
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, 256)
    module, *argv = json.loads(message)[1:]
    sys.argv = [module, *argv]
    status = 70
    try:
        del sys.modules[module]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        os._exit(status)


def _report_ends(forks: dict[int, socket.socket], waiting: selectors.DefaultSelector) -> None:
    while forks:
        pid, status, usage = os.wait4(-1, os.WNOHANG)
        if not pid:
            return
        asking: Any = forks.pop(pid)
        print(usage.ru_maxrss * 1024, flush=True)
        with asking:
            if asking in waiting.get_map():
                waiting.unregister(asking)
            with contextlib.suppress(OSError):  # Whoever asked was killed.
                asking.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    _serve(sys.argv[1])
