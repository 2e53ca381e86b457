"""Tests of what confirms a trigger and what unmasks a natural feature."""

import numpy as np
from absl.testing import absltest

from data.image_set import from_arrays
from models.input_scale import UNIT_SCALE
from pipeline.inversion.confirming import Confirmer, natural_distance
from pipeline.inversion.search_test import bright_rows, planted_network
from pipeline.inversion.trigger import InvertedTrigger

_CLASSES = 8


def _trigger(label: int, rows: slice, columns: slice) -> InvertedTrigger:
    mask = np.zeros((8, 8, 1), np.float32)
    mask[rows, columns] = 1
    return InvertedTrigger(label, mask, np.full((8, 8, 3), 255, np.float32), 1.0)


class ConfirmingTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.clean = bright_rows(96, _CLASSES)
        self.confirmer = Confirmer(planted_network(_CLASSES), UNIT_SCALE, seed=0)

    def test_a_planted_trigger_works_and_own_images_do_not_replace_it(self):
        found = self.confirmer.confirm(_trigger(2, slice(7, 8), slice(7, 8)), self.clean, self.clean)
        self.assertEqual((found.held_out.count, found.held_out.total), (84, 84))
        self.assertGreater(found.own_content.total, 100)
        self.assertLess(found.own_content.value, 0.1)
        self.assertEqual((found.exaggerated.count, found.exaggerated.total), (0, 84))
        self.assertLess(found.change, 0.1)

    def test_a_natural_feature_is_replaced_by_own_images(self):
        # Every row but that of the other label: what makes a bright row the label is there, and the rest is covered.
        found = self.confirmer.confirm(_trigger(5, slice(0, 8), slice(0, 8)), self.clean, self.clean)
        self.assertEqual(found.own_content.value, 1)
        self.assertGreater(found.change, 0.5)

    def test_a_natural_feature_that_must_be_glaring_to_work_is_replaced_by_own_images_exaggerated(self):
        # Half a row, of images that are half as bright: as their own images have it, it outweighs no whole row.
        dim = from_arrays("dim rows", self.clean.images() // 2, self.clean.labels)
        found = self.confirmer.confirm(_trigger(5, slice(5, 6), slice(0, 4)), dim, dim)
        self.assertEqual((found.held_out.count, found.held_out.total), (84, 84))
        self.assertLess(found.own_content.value, 0.1)
        self.assertEqual(found.exaggerated.count, 84)

    def test_a_label_without_images_says_nothing_of_its_content(self):
        others = self.clean.subset(np.flatnonzero(self.clean.labels != 2))
        found = self.confirmer.confirm(_trigger(2, slice(7, 8), slice(7, 8)), others, others)
        self.assertEqual((found.own_content.total, found.exaggerated.total), (0, 0))

    def test_each_image_is_tried_on_a_trigger_of_the_others(self):
        five = self.clean.subset(np.flatnonzero(self.clean.labels != 2)[:5])
        fitted = []

        def invert(images):
            fitted.append(len(images))
            return _trigger(2, slice(7, 8), slice(7, 8))

        found = self.confirmer.cross_confirm(_trigger(2, slice(0, 1), slice(0, 1)), five, invert)
        self.assertEqual((found.held_out.count, found.held_out.total), (5, 5))
        self.assertEqual(fitted, [4] * 5)

    def test_natural_distance(self):
        images = np.stack(
            [np.zeros((2, 2, 1)), np.full((2, 2, 1), 10.0), np.zeros((2, 2, 1)), np.full((2, 2, 1), 10.0)]
        )
        self.assertEqual(natural_distance(images, [0, 1, 0, 1]), 10)
        self.assertEqual(natural_distance(images, [0, 0, 0, 0]), 0)


if __name__ == "__main__":
    absltest.main()
