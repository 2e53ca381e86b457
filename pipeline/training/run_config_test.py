"""Tests of what a run's steps share."""

import os

from absl.testing import absltest

from goodnet.models.legacy_keras import tf
from goodnet.pipeline.training.run_config import RunConfig


class RunConfigTest(absltest.TestCase):
    def test_each_step_keeps_its_own_and_shares_the_rest(self):
        run = RunConfig(tf.distribute.get_strategy(), 3, "work")
        step = run.within("pruning").within("first")
        self.assertEqual(step, RunConfig(run.strategy, 3, os.path.join("work", "pruning", "first")))
        self.assertEqual(step.path("triggers.npz"), os.path.join("work", "pruning", "first", "triggers.npz"))

    def test_where_nothing_is_kept_no_step_keeps_anything(self):
        run = RunConfig(tf.distribute.get_strategy(), 3)
        self.assertEqual(run.within("pruning"), run)
        self.assertIsNone(run.path("triggers.npz"))


if __name__ == "__main__":
    absltest.main()
