"""What a command and those that it starts cost."""

import os
import sys

from absl.testing import absltest

from bench.process_costs import costs_of

# A process that holds 60 MiB while one that it does not wait for holds 100.
_TWO = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "held = bytearray(b'1') * (100 << 20); import time; time.sleep(2)"])
held = bytearray(b'1') * (60 << 20)
time.sleep(2)
sys.exit(3)
"""


class ProcessCostsTest(absltest.TestCase):
    def _costs(self, program, longest):
        log = os.path.join(self.create_tempdir(), "log")
        return costs_of([sys.executable, "-c", program], log, dict(os.environ), longest), log

    def test_all_processes_count(self):
        costs, _ = self._costs(_TWO, longest=600)
        self.assertEqual(costs.status, 3)
        self.assertBetween(costs.largest_mib, 100, 150)
        self.assertBetween(costs.together_mib, 160, 250)

    def test_what_takes_too_long_is_stopped(self):
        costs, log = self._costs("print('begun', flush=True); import time; time.sleep(600)", longest=0.5)
        self.assertIsNone(costs.status)
        self.assertTrue(os.path.exists(log))


if __name__ == "__main__":
    absltest.main()
