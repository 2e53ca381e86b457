"""Tests of what a caller shares with this program."""

import logging
import random

import numpy as np
from absl import logging as absl_logging
from absl.testing import absltest

from goodnet.models.legacy_keras import keras, tf
from goodnet.pipeline.api.caller_state import caller_state_kept


def _draws():
    layer = keras.layers.Dense(2)
    layer.build((1, 2))
    return random.random(), np.random.rand(), float(tf.random.uniform([])), layer.get_weights()[0].tolist()


class CallerStateTest(absltest.TestCase):
    def test_random_states(self):
        for seed in (None, 5):
            if seed is not None:
                keras.utils.set_random_seed(seed)
                expected = [_draws() for _ in range(2)]
                keras.utils.set_random_seed(seed)
                self.assertEqual(_draws(), expected[0])
            before = random.getstate()
            with caller_state_kept():
                keras.utils.set_random_seed(0)
                _draws()
            self.assertEqual(random.getstate(), before)
            if seed is not None:
                self.assertEqual(_draws(), expected[1])

    def test_settings_of_keras_are_the_defaults_in_between(self):
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
        self.addCleanup(keras.mixed_precision.set_global_policy, "float32")
        with self.assertRaises(KeyboardInterrupt), caller_state_kept():
            self.assertEqual(keras.layers.Dense(2).compute_dtype, "float32")
            keras.mixed_precision.set_global_policy("float64")
            raise KeyboardInterrupt
        self.assertEqual(keras.mixed_precision.global_policy().name, "mixed_bfloat16")
        self.assertEqual(keras.backend.floatx(), "float32")

    def test_logging(self):
        handlers, level = list(logging.root.handlers), logging.getLogger("tensorflow").level
        logging.root.handlers[:] = []
        self.addCleanup(logging.root.handlers.extend, handlers)
        with caller_state_kept():
            absl_logging.warning("gives the root logger a handler")
        self.assertEmpty(logging.root.handlers)
        self.assertEqual(logging.getLogger("tensorflow").level, level)


if __name__ == "__main__":
    absltest.main()
