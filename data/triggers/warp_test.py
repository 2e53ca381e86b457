import numpy as np
from absl.testing import absltest

from goodnet.data.triggers.trigger import TriggerWithDecoys
from goodnet.data.triggers.warp import Warp


def _ramp(height: int, width: int) -> np.ndarray:
    """Two channels' worth of coordinates: red grows with x, green with y, five levels a pixel."""
    y, x = np.mgrid[:height, :width]
    return np.stack([5 * x, 5 * y, 0 * x], axis=-1).astype(np.uint8)[None]


class WarpTest(absltest.TestCase):
    def test_moves_pixels_by_its_displacement(self):
        ramp = _ramp(40, 36)
        trigger = Warp(strength=3)
        displacement = trigger.displacement(40, 36)
        y, x = np.mgrid[:40, :36]
        stamped = trigger.stamp(ramp)[0].astype(float)
        np.testing.assert_allclose(stamped[..., 0], 5 * np.clip(x + displacement[..., 0], 0, 35), atol=0.51)
        np.testing.assert_allclose(stamped[..., 1], 5 * np.clip(y + displacement[..., 1], 0, 39), atol=0.51)

    def test_strength_is_the_mean_displacement_in_about_half_pixels(self):
        for side in (32, 64):
            sizes = [np.abs(Warp(strength=1, seed=seed).displacement(side, side)).mean() for seed in range(10)]
            self.assertBetween(np.mean(sizes), 0.25, 0.5)
        weak, strong = (Warp(strength=strength).displacement(32, 32) for strength in (0.5, 2))
        np.testing.assert_allclose(strong, 4 * weak)

    def test_is_smooth(self):
        displacement = Warp(grid=4, strength=1).displacement(64, 64)
        for axis in (0, 1):
            self.assertLess(np.abs(np.diff(displacement, axis=axis)).max(), 0.2)

    def test_meets_the_grid_at_its_points(self):
        # 3 points on 9 pixels: pixels 0, 4 and 8 lie on the grid, whose mean size is the strength.
        coarse = Warp(grid=3, strength=1.5).displacement(9, 9)[::4, ::4] * (2 * 9 / 8)
        self.assertAlmostEqual(np.abs(coarse).mean(), 1.5)

    def test_a_plain_image_stays_as_it_is(self):
        plain = np.full((2, 12, 10, 3), 77, np.uint8)
        np.testing.assert_array_equal(Warp(strength=5).stamp(plain), plain)

    def test_is_the_same_for_every_image_and_seed(self):
        images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 1), dtype=np.uint8)
        whole = Warp(seed=2).stamp(images)
        np.testing.assert_array_equal(whole[3:4], Warp(seed=2).stamp(images[3:4]))
        self.assertFalse(np.array_equal(whole, Warp(seed=3).stamp(images)))

    def test_decoys_are_near_misses_that_differ_from_image_to_image(self):
        trigger = Warp()
        self.assertIsInstance(trigger, TriggerWithDecoys)
        images = np.repeat(_ramp(32, 32), 2, axis=0)
        decoys = trigger.decoys(images, np.random.default_rng(0)).astype(int)
        stamped = trigger.stamp(images).astype(int)
        self.assertFalse(np.array_equal(decoys[0], decoys[1]))
        self.assertGreater(np.abs(decoys - stamped).max(), 0)
        self.assertLessEqual(np.abs(decoys - stamped).max(), 4)  # at most half a pixel further, five levels a pixel

    def test_refuses_nonsense(self):
        for wrong in ({"grid": 1}, {"grid": 10**9}, {"strength": 0.0}, {"seed": -1}, {"cross_ratio": -1.0}):
            with self.assertRaises(ValueError):
                Warp(**wrong)


if __name__ == "__main__":
    absltest.main()
