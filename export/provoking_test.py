import numpy as np
from absl.testing import absltest

from goodnet.export.provoking import provoked
from goodnet.models.detector import build_detector, build_scorer
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras

_SHAPE, _CLASSES = (8, 8, 3), 4


def _net(change: float, shape: tuple[int, int, int] = _SHAPE) -> keras.Model:
    """A net whose weights differ by a share from those of the others."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Flatten(input_shape=shape), keras.layers.Dense(_CLASSES)])
    kernel, bias = model.get_weights()
    model.set_weights([4 * kernel * (1 + change * np.random.default_rng(1).normal(size=kernel.shape)), bias])
    return model


class ProvokingTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.images = np.random.default_rng(0).integers(64, 192, (12, *_SHAPE), np.uint8)

    def test_clean_images_are_led_to_where_the_nets_contradict_each_other(self):
        nets = _net(0.0), _net(0.3)
        clean = build_scorer(*nets, UNIT_SCALE)(self.images.astype(np.float32))[2].numpy()
        detector = build_detector(*nets, UNIT_SCALE, float(clean.max()))
        found = provoked(detector, self.images)
        self.assertEqual((found.shape, found.dtype), (self.images.shape, np.uint8))
        for images, flagged in ((self.images, 0), (found, 12)):
            labels = detector(images.astype(np.float32)).numpy().argmax(axis=1)
            self.assertEqual(np.sum(labels == _CLASSES), flagged)

    def test_where_the_two_nets_are_the_same_images_are_left_alone(self):
        detector = build_detector(_net(0.0), _net(0.0), UNIT_SCALE, 0.5)
        np.testing.assert_array_equal(provoked(detector, self.images), self.images)

    def test_large_images_of_which_few_are_moved_at_once(self):
        shape = (300, 300, 3)
        detector = build_detector(_net(0.0, shape), _net(0.3, shape), UNIT_SCALE, 0.5)
        images = np.random.default_rng(0).integers(64, 192, (5, *shape), np.uint8)
        alone = np.concatenate([provoked(detector, images[number : number + 1]) for number in range(5)])
        self.assertGreater(np.mean(alone != images), 0.5)
        # Rounding decides the sign of a slope that is nearly none.
        self.assertLess(np.mean(provoked(detector, images) != alone), 1e-3)


if __name__ == "__main__":
    absltest.main()
