"""What a command costs: wall time, processor time, and memory, its own and of all the processes that it starts."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SAMPLING_SECONDS = 0.2
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_MIB = 2**20


@dataclass(frozen=True)
class Costs:
    """Of a command that ended.

    Attributes:
        status: its exit status; None where it was stopped after the longest time.
        seconds: of wall time.
        processor_seconds: of all its processes. They are looked at five times a second, so what ran for less is left
            out.
        largest_mib: the most that one of its processes held resident (`VmHWM`, which `getrusage` mixes up with the
            process that started it).
        together_mib: the most that all its processes held together, pages that they share counted once (the sum of
            PSS), as often as they are looked at.
    """

    status: int | None
    seconds: float
    processor_seconds: float
    largest_mib: int
    together_mib: int


def costs_of(command: Sequence[str], log_path: str, environment: Mapping[str, str], longest: float) -> Costs:
    """Runs a command to its end.

    Args:
        command: program and arguments.
        log_path: where what it prints goes.
        environment: the whole of it.
        longest: seconds after which it is stopped.
    """
    processor: dict[int, float] = {}
    largest, together, stopped = 0, 0, False
    started = time.monotonic()
    with open(log_path, "w") as log:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            while True:
                found, status, usage = os.wait4(process.pid, os.WNOHANG)
                if found:
                    break
                seconds, most, memory = _look_at(process.pid)
                processor.update(seconds)
                largest, together = max(largest, most), max(together, memory)
                if not stopped and time.monotonic() - started > longest:
                    process.send_signal(signal.SIGTERM)
                    stopped = True
                time.sleep(_SAMPLING_SECONDS)
        except BaseException:
            process.kill()
            process.wait()
            raise
    process.returncode = os.waitstatus_to_exitcode(status)
    # The process's own time is known to its end.
    processor.pop(process.pid, None)
    own = usage.ru_utime + usage.ru_stime
    return Costs(
        None if stopped else process.returncode,
        time.monotonic() - started,
        max(own, own + sum(processor.values())),
        largest // _MIB,
        together // _MIB,
    )


def _look_at(root: int) -> tuple[dict[int, float], int, int]:
    """Of a process and those below it: seconds of each, bytes that the largest has held, and that all hold together."""
    children: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                # What stands before the last bracket is the process's name, and may hold anything.
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(name))
        seconds[int(name)] = (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
    tree = [root]
    for one in tree:
        tree += children.get(one, [])
    largest = max(_bytes_in(f"/proc/{one}/status", "VmHWM:") for one in tree)
    together = sum(_bytes_in(f"/proc/{one}/smaps_rollup", "Pss:") for one in tree)
    return {one: seconds[one] for one in tree if one in seconds}, largest, together


def _bytes_in(path: str, name: str) -> int:
    try:
        with open(path) as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith(name))
    except (OSError, StopIteration):  # It has ended.
        return 0
