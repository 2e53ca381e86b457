import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.models.channels.removal_check import check_equal
from goodnet.models.legacy_keras import keras, tf


class RemovalCheckTest(absltest.TestCase):
    def test_a_network_that_gives_nan_on_some_images_is_one_line(self):
        image = keras.Input((8, 8, 3))
        features = tf.math.sqrt(keras.layers.Conv2D(4, 3, name="conv")(image))
        model = keras.Model(image, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(features)))
        with self.assertRaisesRegex(InputError, "gives NaN or infinite values; expected numbers on any image"):
            check_equal(model, {"conv": np.array([True, False, False, False])}, model)


if __name__ == "__main__":
    absltest.main()
