"""Tests of interruptions while a binary is still importing."""

import os
import signal
import subprocess
import sys

from absl.testing import absltest, parameterized

from pipeline import attack, audit, evaluate, export, repair
from pipeline.early_interruption import is_started_as_a_program

_BINARIES = tuple(binary.__name__ for binary in (attack, audit, evaluate, export, repair))
# Bazel finds the project's modules by a path that only this process was given.
_ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


class InterruptingTest(parameterized.TestCase):
    @parameterized.product(binary=_BINARIES, number=[signal.SIGINT, signal.SIGTERM])
    def test_an_interrupted_import_is_one_line(self, binary, number):
        with subprocess.Popen(
            [sys.executable, "-v", "-m", binary], stderr=subprocess.PIPE, text=True, bufsize=1, env=_ENVIRONMENT
        ) as running:
            # Python tells of each module that it has imported: NumPy is long before TensorFlow.
            for line in running.stderr:
                if line.startswith("import 'numpy' "):
                    break
            running.send_signal(number)
            said = running.stderr.read()
        self.assertEqual(running.returncode, 130)
        self.assertEqual(said.count("interrupted\n"), 1)
        self.assertNotIn("Traceback", said)

    def test_a_program_that_imports_it_keeps_its_own_signals(self):
        program = "import signal, pipeline.early_interruption; print(signal.getsignal(signal.SIGINT).__name__)"
        printed = subprocess.run(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True, env=_ENVIRONMENT
        ).stdout
        self.assertEqual(printed, "default_int_handler\n")

    def test_what_counts_as_started(self):
        here = os.path.dirname(__file__)
        self.assertTrue(is_started_as_a_program(os.path.join(here, "repair.py")))
        for other in ("", "-c", "-m", "/usr/bin/pytest", os.path.join(os.path.dirname(here), "mine.py")):
            self.assertFalse(is_started_as_a_program(other), other)


if __name__ == "__main__":
    absltest.main()
