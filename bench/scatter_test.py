import io

import numpy as np
from absl.testing import absltest
from PIL import Image

from bench.example_rows import example_row
from bench.grid import BadNet, Cell
from bench.scatter import scatter

_FULL = (0x00, 0x9E, 0x73)


def _pixels(*rows) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(scatter(rows))).convert("RGB")).astype(int)


def _near(pixels: np.ndarray) -> int:
    return int((np.abs(pixels - np.array(_FULL)).sum(axis=2) < 150).sum())


class ScatterTest(absltest.TestCase):
    def test_a_mark_moves_with_its_figures(self):
        cell = Cell(BadNet("gtsrb", "resnet", "blended"), 5, "full")
        low, high = (_pixels(example_row(cell, asr_after=success)) for success in (0.1, 0.9))
        self.assertEqual(low.shape, high.shape)
        self.assertTrue((low != high).any())

    def test_weak_attacks_and_other_seeds_are_left_out(self):
        strong = example_row(Cell(BadNet("gtsrb", "resnet", "blended"), 5, "full"))
        weak = example_row(Cell(BadNet("gtsrb", "vgg", "sig"), 5, "full"), strength="weak", asr_after=0.2)
        other = example_row(Cell(BadNet("gtsrb", "vgg", "sig", 1), 5, "full"), asr_after=0.2)
        np.testing.assert_array_equal(_pixels(strong), _pixels(strong, weak, other))

    def test_development_is_hollow(self):
        held_out, development = (
            _pixels(example_row(Cell(BadNet("gtsrb", "resnet", attack), 5, "full"))) for attack in ("blended", "patch")
        )
        self.assertGreater(_near(held_out), _near(development))

    def test_a_panel_for_each_amount_of_clean_data(self):
        badnet = BadNet("gtsrb", "resnet", "blended")
        one = _pixels(example_row(Cell(badnet, 5, "full")))
        two = _pixels(example_row(Cell(badnet, 5, "full")), example_row(Cell(badnet, None, "full")))
        self.assertGreater(two.shape[1], 1.5 * one.shape[1])

    def test_no_row(self):
        self.assertGreater(_pixels().size, 0)


if __name__ == "__main__":
    absltest.main()
