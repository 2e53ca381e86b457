"""Tests of interruptions while a binary is still importing."""

import os
import signal
import subprocess
import sys
import tempfile

from absl.testing import absltest, parameterized

import goodnet
from goodnet.pipeline import attack, audit, evaluate, export, repair
from goodnet.pipeline.run.early_interruption import is_started_as_a_program

_BINARIES = tuple(binary.__name__ for binary in (attack, audit, evaluate, export, repair))
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(goodnet.__file__)))
# Bazel finds the project's modules by a path that only this process was given.
_ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


class InterruptingTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        # Only -P keeps out what Python itself imports before it runs a module (runpy: contextlib, ...).
        self.planted = self.create_tempdir()
        for name in ("h5py", "numpy", "signal", "json", "logging", "tempfile", "absl", "flags", "data", "tensorflow"):
            self.planted.create_file(
                name + ".py", content=f"print('planted {name}', flush=True)\nraise SystemExit(99)\n"
            )
        # An empty part of PYTHONPATH is this folder, too.
        path = os.pathsep.join(["", _ROOT, *sys.path])
        self.among_planted = {"cwd": self.planted.full_path, "env": {**_ENVIRONMENT, "PYTHONPATH": path}}

    @parameterized.product(binary=_BINARIES, number=[signal.SIGINT, signal.SIGTERM])
    def test_an_interrupted_import_is_one_line_and_no_module_of_the_folder_is_run(self, binary, number):
        command = [sys.executable, "-v", "-m", binary]
        with (
            tempfile.TemporaryFile("w+") as output,
            subprocess.Popen(
                command, stdout=output, stderr=subprocess.PIPE, text=True, bufsize=1, **self.among_planted
            ) as running,
        ):
            # Python tells of each module that it has imported: NumPy is long before TensorFlow.
            for line in running.stderr:
                if line.startswith("import 'numpy' "):
                    break
            running.send_signal(number)
            said = running.stderr.read()
            output.seek(0)
            printed = output.read()
        self.assertEqual(running.returncode, 130)
        self.assertEqual(said.count("interrupted\n"), 1)
        self.assertNotIn("Traceback", said)
        self.assertEqual(printed, "")

    def test_a_program_that_imports_it_keeps_its_own_signals(self):
        program = (
            "import signal, goodnet.pipeline.run.early_interruption; print(signal.getsignal(signal.SIGINT).__name__)"
        )
        printed = subprocess.run(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True, env=_ENVIRONMENT
        ).stdout
        self.assertEqual(printed, "default_int_handler\n")

    def test_no_module_of_the_folder_is_run_later_either(self):
        """To the end of all imports, of one binary: the folder is taken off the path once, before NumPy."""
        program = [sys.executable, "-m", repair.__name__, "--no_such_flag"]
        ended = subprocess.run(program, capture_output=True, text=True, **self.among_planted)
        self.assertNotIn("planted", ended.stdout + ended.stderr)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("no_such_flag", ended.stderr)

    def test_a_program_that_imports_it_keeps_its_own_folder(self):
        folder = self.create_tempdir()
        folder.create_file("mine.py", content="print('mine')")
        program = [sys.executable, "-c", "import goodnet.pipeline.run.early_interruption, mine"]
        printed = subprocess.run(
            program, cwd=folder.full_path, stdout=subprocess.PIPE, text=True, check=True, env=_ENVIRONMENT
        ).stdout
        self.assertEqual(printed, "mine\n")

    def test_what_counts_as_started(self):
        here = os.path.dirname(repair.__file__)
        self.assertTrue(is_started_as_a_program(os.path.join(here, "repair.py")))
        for other in ("", "-c", "-m", "/usr/bin/pytest", os.path.join(os.path.dirname(here), "mine.py")):
            self.assertFalse(is_started_as_a_program(other), other)


if __name__ == "__main__":
    absltest.main()
