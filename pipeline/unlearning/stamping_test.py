"""Tests of stamping and of variations of a trigger."""

import numpy as np
from absl.testing import absltest

from pipeline.inversion.trigger import InvertedTrigger
from pipeline.unlearning.stamping import StampSome
from pipeline.unlearning.variation import varied


def _trigger(label: int = 1) -> InvertedTrigger:
    mask = np.zeros((10, 8, 1), np.float32)
    mask[4:6, 3:5] = 0.5
    return InvertedTrigger(label, mask, np.full((10, 8, 3), 255, np.float32), 1.0)


class StampSomeTest(absltest.TestCase):
    def test_the_share_is_stamped_and_never_an_image_of_the_target(self):
        images, labels = np.zeros((400, 10, 8, 3), np.uint8), np.arange(400) % 2
        stamped = StampSome([_trigger(label=1)], 0.5)(images, labels, np.random.default_rng(0))
        changed = stamped.any(axis=(1, 2, 3))
        self.assertFalse(changed[labels == 1].any())
        self.assertBetween(changed[labels == 0].mean(), 0.4, 0.6)
        self.assertEqual(set(np.unique(stamped)), {0, 128})
        self.assertFalse(images.any())


class VariedTest(absltest.TestCase):
    def test_it_grows_and_never_becomes_fainter_or_leaves_its_range(self):
        rng = np.random.default_rng(0)
        sizes = []
        for _ in range(50):
            one = varied(_trigger(), rng)
            self.assertEqual(one.mask.shape, (10, 8, 1))
            self.assertBetween(float(one.mask.max()), 0.5, 1)
            sizes.append(one.size)
        self.assertGreater(np.mean(sizes), 2 * _trigger().size)
        self.assertGreater(np.std(sizes), 0.2 * _trigger().size)


if __name__ == "__main__":
    absltest.main()
