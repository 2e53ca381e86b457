r"""Kills a small repair at many moments, goes on with --resume, and compares with one that was left alone.

    python -m fuzz.kill_repair --kills=60

Half of the kills come right before the run changes a file in its folder (evenly over all such changes), half at
random moments; every fourth run is killed a second time when it goes on. After each kill the folder must hold nothing,
or whole files of one run; in the end, the same channels closed, the same threshold to 1e-6, and the same weights.
Prints the counts; the exit status is 1 if any run differs.
"""

import argparse
import os
import random
import re
import signal
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass, field

import numpy as np

from goodnet.data.errors import InputError
from goodnet.export.bundle import read_card
from goodnet.models.loading.opening import open_model
from goodnet.pipeline.run.manifest import read_manifest
from goodnet.pipeline.run.output_files import sha256_of
from testing.example_case import ExampleCase, example_case
from testing.example_runs import Binaries, Ended, Running, binaries

_ARTEFACTS = ("pruned.h5", "repaired.h5", "repaired.keras", "detector.keras", "detector.tflite")
_ALL = {*_ARTEFACTS, "device.zip", "manifest.json", "metrics.json", "report.html"}
_SAME_THRESHOLD = 1e-6
_NEVER = 10**9


@dataclass
class Counts:
    """What the runs came to.

    Attributes:
        runs: runs that were killed at least once.
        kills: SIGKILLs that hit a running process.
        stages: kills by what the run had said last.
        left: kills by what they left behind.
        same_bytes: resumed runs whose pruned.h5 and repaired.h5 have the same bytes.
        same_decisions: resumed runs with the same channels, threshold and weights.
        faults: what was wrong, a line each.
    """

    runs: int = 0
    kills: int = 0
    stages: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    same_bytes: int = 0
    same_decisions: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"{self.kills} kills in {self.runs} runs; with --resume {self.same_decisions} of {self.runs} ended with the"
            f" same decisions and weights, {self.same_bytes} with the same bytes",
            "left by a kill: " + ", ".join(f"{name} {count}" for name, count in sorted(self.left.items())),
            "killed after:",
            *(f"  {count:>4}  {stage}" for stage, count in sorted(self.stages.items())),
            f"faults: {len(self.faults)}",
        ]
        return "\n".join([*lines, *self.faults])


class Killing:
    """Runs and kills repairs of one case."""

    def __init__(self, started: Binaries, case: ExampleCase, folder: str):
        """Makes the run that is left alone; `folder` is for all runs."""
        self._started = started
        self._case = case
        self._folder = folder
        self.counts = Counts()
        self._alone = os.path.join(folder, "alone")
        begun = time.monotonic()
        ended = self._start(self._alone, killed_at=_NEVER).wait()
        self.seconds = time.monotonic() - begun
        if ended.status:
            raise AssertionError(ended.stderr)
        with open(self._alone + ".changes") as changes:
            self.changes = len(changes.readlines())

    def before_change(self, number: int) -> None:
        """Kills a run right before its change of files of that number, goes on, and compares."""
        self._check(self._start(self._next(), killed_at=number).wait())

    def after(self, seconds: float, again: float | None = None) -> None:
        """Kills a run after some seconds, and what goes on from there after `again` seconds; goes on, and compares."""
        out_dir = self._next()
        ended = self._killed_after(self._start(out_dir), seconds)
        if again is not None and ended.status == -signal.SIGKILL:
            self._note(ended, out_dir)
            ended = self._killed_after(self._start(out_dir, "--resume"), again)
        self._check(ended)

    def _next(self) -> str:
        self.counts.runs += 1
        return os.path.join(self._folder, f"killed_{self.counts.runs}")

    def _start(self, out_dir: str, *more: str, killed_at: int | None = None) -> Running:
        return self._started.start(
            "repair",
            self._case.model,
            f"--clean_data={self._case.clean}",
            f"--test_data={self._case.test}",
            f"--poisoned_data={self._case.poisoned}",
            f"--out_dir={out_dir}",
            "--method=fine-pruning",
            "--pruning_epochs=2",
            "--fine_tuning_epochs=2",
            *more,
            killed_at=killed_at,
            folder=out_dir,
        )

    def _killed_after(self, running: Running, seconds: float) -> Ended:
        time.sleep(seconds)
        return running.send(signal.SIGKILL)

    def _check(self, ended: Ended) -> None:
        out_dir = os.path.join(self._folder, f"killed_{self.counts.runs}")
        if ended.status == -signal.SIGKILL:
            self._note(ended, out_dir)
            ended = self._start(out_dir, "--resume").wait()
        if ended.status:
            self._fault(f"ended with status {ended.status}: {ended.stderr.splitlines()[-1:]}")
            return
        if set(os.listdir(out_dir)) != _ALL:
            self._fault(f"in the end it holds {sorted(os.listdir(out_dir))}")
        self._note_files(out_dir)
        self._compare(out_dir)

    def _note(self, ended: Ended, out_dir: str) -> None:
        self.counts.kills += 1
        said = (ended.stderr.splitlines() or ["(nothing yet)"])[-1]
        stage = re.sub(r"[\d.]+", "#", said.split(": ")[0] if ":" in said else said)[:60]
        self.counts.stages[stage] = self.counts.stages.get(stage, 0) + 1
        left = self._note_files(out_dir)
        self.counts.left[left] = self.counts.left.get(left, 0) + 1

    def _note_files(self, out_dir: str) -> str:
        """What can be seen in a run's folder; a fault if anything in it is not whole."""
        found = set(os.listdir(out_dir)) if os.path.exists(out_dir) else set()
        seen = {name for name in found if not name.startswith(".")}
        if not found - seen <= {".unfinished"} or seen - _ALL:
            self._fault(f"left behind: {sorted(found)}")
        if not seen:
            return "nothing"
        for name in seen & set(_ARTEFACTS):
            self._open(os.path.join(out_dir, name))
        if "manifest.json" not in seen:
            return "whole models without a manifest"
        for name, digest in read_manifest(out_dir)["outputs"].items():
            if name not in seen or sha256_of(os.path.join(out_dir, name)) != digest:
                self._fault(f"{name} is not the file of the manifest")
        return "everything" if seen == _ALL else "whole models and a manifest"

    def _open(self, path: str) -> None:
        """A file that is not whole can't be opened."""
        try:
            if path.endswith(("pruned.h5", "repaired.h5", "repaired.keras")):
                open_model(path)
            elif path.endswith(".keras"):
                with zipfile.ZipFile(path) as archive:
                    if archive.testzip() is not None:
                        self._fault(f"{path} is damaged")
            else:
                read_card(path)
        except (InputError, zipfile.BadZipFile) as error:
            self._fault(str(error))

    def _compare(self, out_dir: str) -> None:
        found, expected = read_manifest(out_dir), read_manifest(self._alone)
        same = found["findings"]["closed_channels"] == expected["findings"]["closed_channels"]
        difference = abs(found["findings"]["threshold"] - expected["findings"]["threshold"])
        weights = all(self._same_weights(out_dir, name) for name in ("pruned.h5", "repaired.h5", "repaired.keras"))
        if same and weights and difference <= _SAME_THRESHOLD:
            self.counts.same_decisions += 1
        else:
            self._fault(f"channels {same}, weights {weights}, threshold differs by {difference:.3g}")
        self.counts.same_bytes += all(
            found["outputs"][name] == expected["outputs"][name] for name in ("pruned.h5", "repaired.h5")
        )

    def _same_weights(self, out_dir: str, name: str) -> bool:
        found, expected = (open_model(os.path.join(folder, name)).get_weights() for folder in (out_dir, self._alone))
        return len(found) == len(expected) and all(map(np.array_equal, found, expected))

    def _fault(self, line: str) -> None:
        self.counts.faults.append(f"run {self.counts.runs}: {line}")


def main() -> int:
    """Kills as often as asked for and prints the counts."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kills", type=int, default=60, help="runs that are killed")
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    rng = random.Random(given.seed)
    with binaries() as started, tempfile.TemporaryDirectory() as folder:
        killing = Killing(started, example_case(), folder)
        print(f"left alone: {killing.seconds:.1f} s, {killing.changes} changes of files", file=sys.stderr)
        for run in range(given.kills):
            if run % 2:
                again = rng.uniform(0, killing.seconds / 2) if run % 4 == 3 else None
                killing.after(rng.uniform(0, killing.seconds), again)
            else:
                killing.before_change(1 + run * killing.changes // given.kills)
            if (run + 1) % 10 == 0:
                print(f"{run + 1} runs, {len(killing.counts.faults)} faults", file=sys.stderr)
    print(killing.counts)
    return int(bool(killing.counts.faults))


if __name__ == "__main__":
    sys.exit(main())
