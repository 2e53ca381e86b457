import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.data.triggers.patch import CORNERS, Patch


class PatchTest(absltest.TestCase):
    def test_paints_one_square_and_nothing_else(self):
        images = np.random.default_rng(0).integers(0, 255, (3, 32, 30, 3), dtype=np.uint8)
        before = images.copy()
        stamped = Patch(size=4, corner="bottom-right", margin=1).stamp(images)
        np.testing.assert_array_equal(images, before)
        np.testing.assert_array_equal(stamped[:, 27:31, 25:29], np.broadcast_to([255, 255, 0], (3, 4, 4, 3)))
        stamped[:, 27:31, 25:29] = images[:, 27:31, 25:29]
        np.testing.assert_array_equal(stamped, images)

    def test_sits_where_it_should(self):
        black = np.zeros((1, 9, 11, 3), np.uint8)
        for corner, (row, column) in zip(CORNERS, ((2, 2), (2, 6), (4, 2), (4, 6), (3, 4)), strict=True):
            stamped = Patch(size=3, corner=corner, margin=2, colour=(255, 255, 255)).stamp(black)
            rows, columns = np.nonzero(stamped[0, :, :, 0])
            self.assertEqual((rows.min(), rows.max()), (row, row + 2), corner)
            self.assertEqual((columns.min(), columns.max()), (column, column + 2), corner)

    def test_grey_images_get_the_colour_s_brightness(self):
        stamped = Patch(margin=0, colour=(255, 0, 0)).stamp(np.zeros((1, 8, 8, 1), np.uint8))
        self.assertEqual(stamped[0, -1, -1, 0], 76)

    def test_does_not_fit(self):
        images = np.zeros((1, 8, 8, 3), np.uint8)
        for patch in (Patch(size=9, margin=0), Patch(size=4, margin=5), Patch(size=9, corner="centre")):
            with self.assertRaisesRegex(InputError, "do not fit on images of 8 x 8"):
                patch.stamp(images)

    def test_refuses_nonsense(self):
        for wrong in ({"size": 0}, {"corner": "middle"}, {"margin": -1}, {"colour": (0, 0, 300)}, {"colour": (0, 0)}):
            with self.assertRaises(ValueError):
                Patch(**wrong)


if __name__ == "__main__":
    absltest.main()
