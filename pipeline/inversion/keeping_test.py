"""Tests of what a resumed run finds of triggers that were found before."""

import dataclasses
import os

import numpy as np
from absl.testing import absltest, parameterized

from data.errors import InputError
from pipeline.inversion.keeping import kept_columns, kept_found, kept_labels
from pipeline.inversion.trigger import InvertedTrigger
from pipeline.inversion.warps import InvertedWarp
from pipeline.inversion.waves import InvertedWave

_FOUND = (
    InvertedTrigger(2, np.full((4, 5, 1), 0.25, np.float32), np.full((4, 5, 3), 7.5, np.float32), 0.875, True),
    InvertedWarp(3, np.full((4, 5, 2), 0.5, np.float32), 0.95),
    InvertedWave(4, -2, 5, 0.1875, 40.0, 0.95, 32, 48),
)


class KeptTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.create_tempdir().full_path, "screening", "kept.npz")

    @parameterized.named_parameters((one.kind, one) for one in _FOUND)
    def test_what_is_kept_is_not_found_again(self, found):
        kind = type(found)
        kept_found(self.path, kind, lambda: [found, found])
        again = kept_found(self.path, kind, lambda: self.fail("found again"))
        self.assertLen(again, 2)
        for field in dataclasses.fields(kind):
            expected, value = getattr(found, field.name), getattr(again[1], field.name)
            self.assertIs(type(value), type(expected))
            np.testing.assert_array_equal(value, expected, strict=True)

    @parameterized.named_parameters((one.kind, type(one)) for one in _FOUND)
    def test_nothing_found_is_kept_too(self, kind):
        self.assertEqual(kept_found(self.path, kind, list), ())
        self.assertEqual(kept_found(self.path, kind, lambda: self.fail("found again")), ())

    def test_what_another_version_kept_is_refused(self):
        kept_columns(self.path, lambda: {"label": np.array([3])})
        with self.assertRaisesRegex(InputError, f"{self.path} .*another version.*without --resume"):
            kept_found(self.path, InvertedWave, list)

    def test_labels_stay_in_order(self):
        kept_labels(self.path, lambda: [5, 0, 3])
        self.assertEqual(kept_labels(self.path, lambda: self.fail("ordered again")), (5, 0, 3))


if __name__ == "__main__":
    absltest.main()
