"""The process that opens suspects: what it survives, and that it ends."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from unittest import mock

import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.models.legacy_keras import keras
from goodnet.models.loading import opener
from goodnet.models.loading.opening import open_model

_OPENS = """
import os, sys, threading, time
from goodnet.models.loading import opener
from goodnet.models.loading.opening import open_model
opener.start_opener()
print(opener._opener.process.pid, flush=True)
open_model(sys.argv[1])
print("opened", flush=True)
"""


def _chain(length: int) -> keras.Model:
    image = features = keras.Input((4, 4, 3))
    for _ in range(length):
        features = keras.layers.ReLU()(features)
    return keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(features)))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_until(condition) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came")


class OpenerTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.create_tempdir())
        self.slow, self.small = str(self.folder / "slow.h5"), str(self.folder / "small.h5")

    def start(self, path: str, **limits: object) -> "subprocess.Popen[str]":
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path)}
        return subprocess.Popen(
            [sys.executable, "-c", _OPENS, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment, cwd=self.folder, **limits,
        )  # fmt: skip

    def test_a_worker_that_is_killed_is_one_line_and_the_next_file_is_opened(self):
        _chain(600).save(self.slow)
        _chain(1).save(self.small)
        open_model(self.small)  # What libraries start when they are imported is over then.
        pid = opener._opener.process.pid

        def kill() -> None:
            _wait_until(lambda: _children(pid))
            os.kill(_children(pid)[0], signal.SIGSEGV)

        killing = threading.Thread(target=kill)
        killing.start()
        with self.assertRaisesRegex(InputError, r"slow\.h5: .*opening it crashed, signal 11"):
            open_model(self.slow)
        killing.join()
        self.assertEqual(open_model(self.small).output_shape, (None, 2))
        self.assertEqual(opener._opener.process.pid, pid)

    def test_an_opener_that_is_killed_is_replaced(self):
        _chain(1).save(self.small)
        open_model(self.small)
        os.kill(opener._opener.process.pid, signal.SIGKILL)
        self.assertEqual(open_model(self.small).output_shape, (None, 2))

    def test_no_process_is_left_when_the_program_is_killed(self):
        _chain(900).save(self.slow)
        with self.start(self.slow) as program:
            pid = int(program.stdout.readline())
            _wait_until(lambda: _children(pid))
            (worker,) = _children(pid)
            program.kill()
            program.wait()
            _wait_until(lambda: not _runs(pid) and not _runs(worker))

    def test_an_interrupt_is_the_programs_alone(self):
        _chain(1).save(self.small)
        open_model(self.small)
        os.kill(opener._opener.process.pid, signal.SIGINT)
        pid = opener._opener.process.pid
        open_model(self.small)
        self.assertEqual(opener._opener.process.pid, pid)

    def test_limits_that_the_shell_has_set_lower(self):
        """`ulimit -f` and `ulimit -v`: good files open, and too little address space is said as such."""
        _chain(1).save(self.small)
        some = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2**22, 2**22))  # noqa: E731
        little = lambda: resource.setrlimit(resource.RLIMIT_AS, (1_500_000 * 1024,) * 2)  # noqa: E731
        with self.start(self.small, preexec_fn=some) as program:
            self.assertIn("opened", program.communicate()[0])
        with self.start(self.small, preexec_fn=little) as program:
            _, said = program.communicate()
        self.assertEqual(program.returncode, 1)
        self.assertEqual(said.count("\n"), 1)
        self.assertStartsWith(said, "ulimit -v: ")

    def test_a_temporary_folder_that_is_missing_or_has_no_room(self):
        _chain(1).save(self.small)
        absent = mock.patch.object(tempfile, "tempdir", str(self.folder / "absent"))
        with absent, self.assertRaisesRegex(InputError, "small.h5: temporary folder: No such file"):
            open_model(self.small)
        image = keras.Input((8, 8, 3))
        large = keras.Model(image, keras.layers.Dense(2**13)(keras.layers.Flatten()(image)))
        large.save(self.slow)
        none = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))  # noqa: E731
        with self.start(self.slow, preexec_fn=none) as program:
            _, said = program.communicate()
        self.assertIn("temporary file: File too large; expected room for", said.splitlines()[-1])

    def test_weights_come_back_as_they_were(self):
        model = _chain(1)
        model.save(self.small)
        for one, other in zip(model.get_weights(), open_model(self.small).get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


if __name__ == "__main__":
    absltest.main()
