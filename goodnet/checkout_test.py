"""Tests of the package in a checkout, where its parts stand beside it."""

import os
import subprocess
import sys

from absl.testing import absltest

import goodnet

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(goodnet.__file__)))

_PROGRAM = """
import runpy, sys
binary = sys.argv[2]
sys.argv = [binary, "--no_such_flag"]
try:
    runpy.run_module(binary, run_name="__main__", alter_sys=True)
except SystemExit as ended:
    print(ended.code)
folders = ("data", "export", "flags", "models", "pipeline")
print([name for name in sys.modules if name.split(".")[0] in folders])
print("goodnet.pipeline.inputs.suspect" in sys.modules)
"""


class CheckoutTest(absltest.TestCase):
    def test_a_binary_by_its_short_name_loads_each_module_once(self):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([_ROOT, *sys.path])}
        ended = subprocess.run(
            [sys.executable, "-c", _PROGRAM, "-m", "pipeline.repair"],
            cwd=self.create_tempdir().full_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        self.assertEqual(ended.stdout.splitlines(), ["1", "['pipeline']", "True"], ended.stderr)
        self.assertIn("no_such_flag", ended.stderr)


if __name__ == "__main__":
    absltest.main()
