"""For tests: the binaries as a user runs them, each in a process of its own, without waiting for TensorFlow each time.

One process imports everything and computes nothing; each run is a fork of it, with its own arguments, output files,
signals and exit status.
"""

import atexit
import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import NoReturn

_PATIENCE_SECONDS = 300
# As it is before any test runs: one that puts another in its place for its own time may be the first to start a run.
_TEMPORARY_FOLDER = tempfile.gettempdir()


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit status (minus the signal's number if one killed it) and what it wrote."""

    status: int
    stdout: str
    stderr: str


class Running:
    """A run that was started."""

    def __init__(self, server: "subprocess.Popen[str]", pid: int, stdout: str, stderr: str):
        self._server = server
        self.pid = pid
        self._stdout = stdout
        self._stderr = stderr

    def wait_for(self, text: str) -> None:
        """Waits until the run has written a text to stderr."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while text not in _read(self._stderr):
            if time.monotonic() > deadline or not os.path.exists(f"/proc/{self.pid}/stat") or _is_zombie(self.pid):
                raise AssertionError(f"the run never wrote {text!r} but:\n{_read(self._stderr)}")
            time.sleep(0.01)

    def send(self, signal_number: signal.Signals) -> Ended:
        """Sends the run a signal and waits for its end."""
        os.kill(self.pid, signal_number)
        return self.wait()

    def wait(self) -> Ended:
        """Waits for the end."""
        status = int(_ask(self._server, {"wait": self.pid}))
        return Ended(status, _read(self._stdout), _read(self._stderr))


class Binaries:
    """Starts runs; see `binaries`."""

    def __init__(self, server: "subprocess.Popen[str]", folder: str):
        self._server = server
        self._folder = folder
        self._runs = 0

    @property
    def pid(self) -> int:
        """The process that runs are forked from."""
        return self._server.pid

    def start(
        self,
        name: str,
        *argv: str,
        killed_at: int | None = None,
        folder: str = "",
        killed_by: signal.Signals = signal.SIGKILL,
    ) -> Running:
        """Starts a binary with its arguments.

        Args:
            name: the binary.
            *argv: its arguments.
            killed_at: a signal comes right before it changes files for the so manieth time; None for never.
            folder: the folder in which changes are counted; each is a line of the file `FOLDER.changes`.
            killed_by: the signal.
        """
        self._runs += 1
        stdout, stderr = (os.path.join(self._folder, f"{self._runs}.{kind}") for kind in ("out", "err"))
        request = {"name": name, "argv": argv, "stdout": stdout, "stderr": stderr, "environ": dict(os.environ)}
        pid = _ask(self._server, {**request, "killed_at": killed_at, "folder": folder, "killed_by": killed_by})
        return Running(self._server, int(pid), stdout, stderr)

    def run(self, name: str, *argv: str) -> Ended:
        """Runs a binary to its end."""
        return self.start(name, *argv).wait()


@contextlib.contextmanager
def binaries(*through: str) -> Iterator[Binaries]:
    """The process that runs are forked from.

    Args:
        *through: a command that starts the one it is given as further arguments, if it is to be started so.
    """
    command = [*through, sys.executable, "-m", "testing.example_runs"]
    with (
        tempfile.TemporaryDirectory(prefix="runs-", dir=_TEMPORARY_FOLDER) as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
    ):
        yield Binaries(server, folder)
        assert server.stdin is not None
        server.stdin.close()


@functools.cache
def shared_binaries() -> Binaries:
    """One such process for all test files that this process runs: each import of TensorFlow takes seconds.

    A run has the environment that the test has when it starts it.
    """
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(binaries())


def _ask(server: "subprocess.Popen[str]", request: object) -> str:
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    return server.stdout.readline()


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


def _is_zombie(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


def _serve() -> None:
    from goodnet.models.loading import opener
    from goodnet.pipeline import attack, audit, evaluate, export, repair
    from goodnet.pipeline.run.source_digest import source_digest

    source_digest()  # It is kept, and so is the same for all forks.
    modules = {"attack": attack, "audit": audit, "evaluate": evaluate, "export": export, "repair": repair}
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            print(os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1]), flush=True)
            continue
        for kind in ("stdout", "stderr"):
            with open(request[kind], "w"):
                pass
        connection = opener.connection_for_a_fork()
        pid = os.fork()
        if pid == 0:
            opener.adopt(connection)
            _become(modules[request["name"]], request)
        connection.close()
        print(pid, flush=True)


def _become(module: ModuleType, request: dict) -> NoReturn:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, kind in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(request[kind], os.O_WRONLY | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(request["environ"])
    sys.argv = [request["name"], *request["argv"]]
    if request["killed_at"] is not None:
        sys.addaudithook(_Killer(request["folder"], request["killed_at"], request["killed_by"]))
    from goodnet.pipeline.run import command

    status = 1
    try:
        command.run(module.main, resumable=request["name"] in ("audit", "repair"))
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    # As the interpreter ends, but for the modules: to take all of TensorFlow apart takes longer than a short run.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


class _Killer:
    """An audit hook that notes changes of files below a folder, as Python makes them, and kills before one of them."""

    _CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "os.truncate")

    def __init__(self, folder: str, killed_at: int, killed_by: int):
        self._folder = folder
        self._signal = killed_by
        self._left = killed_at
        self._notes = os.open(folder + ".changes", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def __call__(self, event: str, args: tuple) -> None:
        if event == "open":
            is_change = isinstance(args[2], int) and bool(args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        else:
            is_change = event in self._CHANGES
        named = [part for part in args[:2] if isinstance(part, str) and part.startswith(self._folder)]
        if not is_change or not named:
            return
        os.write(self._notes, f"{event} {os.path.relpath(named[-1], self._folder)}\n".encode())
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), self._signal)


if __name__ == "__main__":
    _serve()
