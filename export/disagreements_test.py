import numpy as np
from absl.testing import absltest, parameterized

from goodnet.export.disagreements import stamped


class DisagreementsTest(parameterized.TestCase):
    @parameterized.parameters((12, 10, 3), (3, 2, 1), (1, 1, 3))
    def test_every_image_is_changed_and_the_same_seed_changes_it_alike(self, *shape):
        images = np.random.default_rng(0).integers(0, 256, (12, *shape), np.uint8)
        first, again, other = (stamped(images, np.random.default_rng(seed)) for seed in (1, 1, 2))
        self.assertEqual((first.shape, first.dtype), (images.shape, np.uint8))
        np.testing.assert_array_equal(first, again)
        self.assertFalse(np.array_equal(first, other))
        if np.prod(shape) > 100:
            self.assertTrue((first != images).any(axis=(1, 2, 3)).all())

    def test_one_image_has_no_neighbour_but_itself(self):
        images = np.full((1, 4, 4, 3), 7, np.uint8)
        self.assertEqual(stamped(images, np.random.default_rng(0)).shape, images.shape)


if __name__ == "__main__":
    absltest.main()
