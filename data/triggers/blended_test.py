import numpy as np
from absl.testing import absltest

from goodnet.data.triggers.blended import Blended


class BlendedTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.images = np.random.default_rng(0).integers(0, 256, (4, 20, 16, 3), dtype=np.uint8)

    def test_mixes_the_pattern_in(self):
        trigger = Blended(alpha=0.2)
        expected = 0.8 * self.images + 0.2 * trigger.pattern(20, 16, 3)
        self.assertLessEqual(np.abs(trigger.stamp(self.images) - expected).max(), 0.5001)

    def test_moves_no_pixel_by_more_than_its_share(self):
        change = np.abs(Blended(alpha=0.1).stamp(self.images).astype(int) - self.images)
        self.assertLessEqual(change.max(), 26)
        self.assertGreater(change.mean(), 4)

    def test_all_of_the_pattern(self):
        stamped = Blended(alpha=1).stamp(self.images)
        np.testing.assert_array_equal(stamped, np.broadcast_to(Blended().pattern(20, 16, 3), stamped.shape))

    def test_the_seed_decides_the_pattern(self):
        np.testing.assert_array_equal(Blended(seed=3).stamp(self.images), Blended(seed=3).stamp(self.images))
        self.assertFalse(np.array_equal(Blended(seed=3).pattern(8, 8, 3), Blended(seed=4).pattern(8, 8, 3)))

    def test_the_pattern_cannot_be_changed_from_outside(self):
        with self.assertRaises(ValueError):
            Blended().pattern(8, 8, 3)[0] = 0

    def test_grey_images(self):
        self.assertEqual(Blended().stamp(self.images[..., :1]).shape, (4, 20, 16, 1))

    def test_refuses_nonsense(self):
        for wrong in ({"alpha": 0.0}, {"alpha": 1.1}, {"alpha": float("nan")}, {"seed": -1}):
            with self.assertRaises(ValueError):
                Blended(**wrong)


if __name__ == "__main__":
    absltest.main()
