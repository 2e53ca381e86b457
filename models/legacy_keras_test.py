"""Tests of which Keras is there after the imports."""

import subprocess
import sys

from absl.testing import absltest

_PROGRAM = """
import sys
if sys.argv[1] == "first":
    import keras as keras_3
from goodnet.models.legacy_keras import keras, tf, tfmot
found = "keras" in sys.modules
import keras as keras_3
assert tf.keras.Model is keras.Model and keras.__version__.startswith("2"), keras.__version__
assert keras_3.__version__.startswith("3"), keras_3.__version__
pruned = tfmot.sparsity.keras.prune_low_magnitude(keras.Sequential([keras.layers.Dense(2, input_shape=(3,))]))
assert isinstance(pruned, keras.Model)
print(found)
"""


class LegacyKerasTest(absltest.TestCase):
    def test_keras_3_is_not_imported_and_can_be(self):
        for order, found in (("last", "False"), ("first", "True")):
            done = subprocess.run([sys.executable, "-c", _PROGRAM, order], capture_output=True, text=True)
            self.assertEqual(done.stdout.strip(), found, done.stderr)


if __name__ == "__main__":
    absltest.main()
