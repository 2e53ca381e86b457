"""Gives inputs to a process that opens them and watches it from outside: time, memory, and files that change."""

import contextlib
import ctypes
import inspect
import json
import os
import select
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np

from fuzz import forked_start, reader_forks
from fuzz.mutations import Input
from goodnet.data.reading_process import start

MOST_SECONDS = 10.0
MOST_MEMORY = 2**31
# How long the watcher itself waits before it kills.
_PATIENCE = 200.0
_INPUTS_A_WORKER = 1000
_IN_OPEN, _IN_NONBLOCK = 0x20, os.O_NONBLOCK


@dataclass(frozen=True)
class Trial:
    """What one input got.

    Attributes:
        outcome: "opened", "refused", "traceback", "hang" or "crash".
        line: the refusal, or the traceback.
        violations: what the input achieved that none may, such as "memory" or "written".
        seconds: of the opening process's processor time, from the request to the answer.
        memory: peak of the opening process or of a reading process, whichever is larger, in bytes.
    """

    outcome: str
    line: str
    violations: tuple[str, ...]
    seconds: float
    memory: int


class Bench:
    """A place to open inputs in: folders to be left alone, the opening process and the one that forks readers."""

    def __init__(self, folder: Path, most_seconds: float = MOST_SECONDS, most_memory: int = MOST_MEMORY):
        """Lays out the folders.

        Args:
            folder: an empty one.
            most_seconds: an input that takes longer is a violation.
            most_memory: an input that takes more bytes is one.
        """
        self.folder = folder
        self._most_seconds = most_seconds
        self._most_memory = most_memory
        self._tried = 0
        self._worker: subprocess.Popen[str] | None = None
        for name in ("in", "work", "home", "tmp", "canary", "secret", "run"):
            (folder / name).mkdir()
        _write_secrets(folder / "secret")
        _write_baits(folder / "work")
        _write_stand_in(folder / "run" / "python")
        self._before = self._listing()
        self._secret = _watch_for_openings(folder / "secret")
        self._forks = start(reader_forks.__name__, str(folder / "run" / "forks"), stdout=subprocess.PIPE)
        assert self._forks.stdout is not None
        self._forks.stdout.readline()
        os.set_blocking(self._forks.stdout.fileno(), False)

    def close(self) -> None:
        """Ends the processes."""
        self._stop_worker()
        self._forks.kill()
        self._forks.wait()
        assert self._forks.stdout is not None
        self._forks.stdout.close()
        os.close(self._secret)

    def run(self, case: Input, start_anew: bool) -> Trial:
        """Opens one input.

        Args:
            case: the input.
            start_anew: whether reading processes are started as the product does it, and not forked.
        """
        path = self._put(case)
        worker = self._running_worker()
        with open(f"/proc/{worker.pid}/clear_refs", "w") as clear:
            clear.write("5")  # Begins a new peak of memory.
        begun = _processor_seconds(worker.pid)
        program = sys.executable if start_anew else str(self.folder / "run" / "python")
        answer = self._ask({"path": path, "kind": case.kind, "start": program})
        # Of the processor: a busy machine is no input's doing. What only waits runs out of the watcher's patience.
        seconds = _PATIENCE if answer["outcome"] == "hang" else max(0.0, _processor_seconds(worker.pid) - begun)
        memory = max([_peak_memory(worker.pid), answer["children"], *self._memory_of_readers()])
        violations = [*answer["seen"], *self._changes(), *self._outside_reads(), *_faults(answer)]
        violations += ["time"] if seconds > self._most_seconds else []
        violations += ["memory"] if memory > self._most_memory else []
        if answer["outcome"] in ("hang", "crash"):
            self._stop_worker()
        return Trial(answer["outcome"], answer["line"], tuple(violations), seconds, memory)

    def _put(self, case: Input) -> str:
        target = self.folder / "in"
        for old in target.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        for name, content in case.files.items():
            path = target / "input" / name if name else target / "input"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return str(target / "input")

    def _running_worker(self) -> "subprocess.Popen[str]":
        if self._worker is not None and self._tried % _INPUTS_A_WORKER == 0:
            self._stop_worker()
        self._tried += 1
        if self._worker is None:
            folder = self.folder
            environment = {
                **os.environ, "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"),
                "READER_FORKS": str(folder / "run" / "forks"),
                "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path), "PYTHONSAFEPATH": "1",
                "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1",
            }  # fmt: skip
            self._worker = subprocess.Popen(
                [sys.executable, "-m", "fuzz.opening_worker"], cwd=folder / "work", env=environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            assert self._worker.stdout is not None
            self._worker.stdout.readline()
            # What libraries leave in a home folder when they are imported is no input's doing.
            self._before = self._listing()
        return self._worker

    def _stop_worker(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker.wait()
            for stream in (self._worker.stdin, self._worker.stdout):
                assert stream is not None
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
            self._worker = None

    def _ask(self, request: dict[str, str]) -> dict[str, Any]:
        worker = self._running_worker_streams()
        nothing = {"line": "", "seen": [], "children": 0}
        try:
            worker[0].write(json.dumps(request) + "\n")
            worker[0].flush()
            readable, _, _ = select.select([worker[1]], [], [], _PATIENCE)
            line = worker[1].readline() if readable else None
        except BrokenPipeError:
            line = ""
        if line is None:
            return {**nothing, "outcome": "hang"}
        return json.loads(line) if line else {**nothing, "outcome": "crash"}

    def _running_worker_streams(self) -> tuple[IO[str], IO[str]]:
        assert self._worker is not None and self._worker.stdin is not None and self._worker.stdout is not None
        return self._worker.stdin, self._worker.stdout

    def _memory_of_readers(self) -> list[int]:
        assert self._forks.stdout is not None
        return [int(line) for line in (self._forks.stdout.read() or b"").split()]

    def _listing(self) -> dict[str, tuple[int, int]]:
        """Names, sizes and times of all that an input must leave alone."""
        found = {}
        for name in ("work", "home", "tmp", "canary", "in"):
            for path in sorted((self.folder / name).rglob("*")):
                if name != "in" or path.relative_to(self.folder).parts[1] != "input":
                    status = path.lstat()
                    found[str(path)] = (status.st_size if path.is_file() else 0, status.st_mtime_ns)
        return found

    def _changes(self) -> list[str]:
        after = self._listing()
        changed = [path for path, what in after.items() if self._before.get(path) != what]
        for path in changed:
            if os.path.isfile(path):
                os.unlink(path)
        self._before = self._listing()
        return [f"written: {os.path.relpath(path, self.folder)}" for path in changed]

    def _outside_reads(self) -> list[str]:
        try:
            events = os.read(self._secret, 65536)
        except BlockingIOError:
            return []
        names = []
        while events:
            _, _, _, length = struct.unpack_from("iIII", events)
            names.append(events[16 : 16 + length].rstrip(b"\0").decode())
            events = events[16 + length :]
        return [f"read outside: {name}" for name in sorted(set(names))]


@contextlib.contextmanager
def bench(**limits: Any) -> Iterator[Bench]:
    """A bench in a folder of its own, which goes with it; see `Bench` for the limits."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        made = Bench(Path(folder), **limits)
        try:
            yield made
        finally:
            made.close()


def _faults(answer: dict[str, Any]) -> list[str]:
    if answer["outcome"] in ("hang", "crash", "traceback"):
        return [answer["outcome"]]
    line = answer["line"]
    return ["not one line"] if line and (len(line.splitlines()) > 1 or len(line) > 1000) else []


def _peak_memory(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status") as status:
            return next((1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM:")), 0)
    except FileNotFoundError:
        return 0


def _processor_seconds(pid: int) -> float:
    try:
        with open(f"/proc/{pid}/stat") as status:
            user, system = status.read().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    except FileNotFoundError:
        return 0.0


def _write_stand_in(path: Path) -> None:
    """A program that is started like the interpreter: `forked_start`, under this interpreter."""
    path.write_text(f"#!{sys.executable} -IS\n" + inspect.getsource(forked_start))
    path.chmod(0o755)


def _write_secrets(folder: Path) -> None:
    """Files that no input may have read, though some name them."""
    with h5py.File(folder / "secret.h5", "w") as file:
        file["data"] = np.zeros((12, 3, 8, 8), np.uint8)
    (folder / "secret.bin").write_bytes(bytes(2**20))


def _write_baits(folder: Path) -> None:
    """Modules in the working folder that leave a mark if they are imported."""
    for name in ("evil", "h5py", "json", "numpy"):
        (folder / f"{name}.py").write_text("open('../canary/imported', 'w').close()\n")


def _watch_for_openings(folder: Path) -> int:
    """An inotify descriptor that tells of files in a folder being opened."""
    system = ctypes.CDLL(None, use_errno=True)
    watching = system.inotify_init1(_IN_NONBLOCK)
    if watching < 0 or system.inotify_add_watch(watching, os.fsencode(folder), _IN_OPEN) < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    return watching
