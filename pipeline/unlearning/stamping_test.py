"""Tests of stamping and of variations of a trigger."""

import numpy as np
from absl.testing import absltest

from pipeline.inversion.trigger import InvertedTrigger
from pipeline.unlearning.stamping import StampSome
from pipeline.unlearning.variation import varied


def _trigger(label: int = 1, side: int = 10) -> InvertedTrigger:
    mask = np.zeros((side, side, 1), np.float32)
    mask[4:6, 3:5] = 0.5
    return InvertedTrigger(label, mask, np.full((side, side, 3), 255, np.float32), 1.0)


class StampSomeTest(absltest.TestCase):
    def test_the_share_is_stamped_and_never_an_image_of_the_target(self):
        images, labels = np.zeros((400, 10, 10, 3), np.uint8), np.arange(400) % 2
        stamped, carries = StampSome([_trigger(label=1)], 0.5)(images, labels, np.random.default_rng(0))
        changed = stamped.any(axis=(1, 2, 3))
        np.testing.assert_array_equal(changed, carries)
        self.assertFalse(changed[labels == 1].any())
        self.assertBetween(changed[labels == 0].mean(), 0.4, 0.6)
        self.assertEqual(set(np.unique(stamped)), {0, 128})
        self.assertFalse(images.any())


class VariedTest(absltest.TestCase):
    def test_it_grows_and_never_becomes_fainter_or_leaves_its_range(self):
        rng = np.random.default_rng(0)
        sizes = []
        for _ in range(50):
            one = varied(_trigger(side=30), rng)
            self.assertEqual(one.mask.shape, (30, 30, 1))
            self.assertBetween(float(one.mask.max()), 0.5, 1)
            sizes.append(one.size)
        self.assertGreater(np.mean(sizes), 2 * _trigger(side=30).size)
        self.assertGreater(np.std(sizes), 0.2 * _trigger(side=30).size)

    def test_what_is_large_already_does_not_cover_more(self):
        mask = np.zeros((30, 30, 1), np.float32)
        mask[10:20, 10:20] = 1
        large = InvertedTrigger(1, mask, np.zeros((30, 30, 3), np.float32), 1.0)
        rng = np.random.default_rng(0)
        self.assertLessEqual(max(varied(large, rng).size for _ in range(50)), 1.01 * large.size)

    def test_a_blended_pattern_becomes_stronger_but_leaves_the_image_to_be_seen(self):
        rng = np.random.default_rng(0)
        for given, most in ((0.05, 0.1), (0.15, 0.2), (0.3, 0.3)):
            mask = np.full((10, 8, 1), given, np.float32)
            blend = InvertedTrigger(1, mask, np.full((10, 8, 3), 90, np.float32), 1.0, uniform=True)
            strengths = [float(varied(blend, rng).mask.max()) for _ in range(50)]
            self.assertBetween(min(strengths), given - 1e-6, given + 0.2 * (most - given) + 1e-6)
            self.assertBetween(max(strengths), most - 0.2 * (most - given) - 1e-6, most + 1e-6)


if __name__ == "__main__":
    absltest.main()
