"""One kill of the kill test."""

import tempfile

from absl.testing import absltest

from bench.kill_repair import Killing
from pipeline.example_case import example_case
from pipeline.example_runs import binaries


class KillRepairTest(absltest.TestCase):
    def test_a_run_that_was_killed_ends_as_one_that_was_left_alone(self):
        with binaries() as started, tempfile.TemporaryDirectory() as folder:
            killing = Killing(started, example_case(), folder)
            killing.before_change(killing.changes - 12)  # While the models are moved to their final places.
            print(killing.counts)
        counts = killing.counts
        self.assertEqual(counts.faults, [])
        self.assertEqual((counts.runs, counts.kills, counts.same_decisions), (1, 1, 1))


if __name__ == "__main__":
    absltest.main()
