"""Tests of what a resumed run finds of triggers that were found before."""

import dataclasses
import os

import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.inversion.trigger_cache import cached_triggers

_FOUND = (
    InvertedTrigger(2, np.full((4, 5, 3), 7.5, np.float32), 0.875, 0.99, True),
    InvertedTrigger(5, np.full((4, 5, 3), -0.25, np.float32), 12.0, 0.5, False),
)


class KeptTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.create_tempdir().full_path, "evidence", "triggers.npz")

    def _again(self):
        return cached_triggers(self.path, lambda: self.fail("found again"))

    def test_what_is_kept_is_not_found_again(self):
        first = cached_triggers(self.path, lambda: _FOUND)
        for triggers in (first, self._again()):
            self.assertLen(triggers, len(_FOUND))
            for trigger, found in zip(triggers, _FOUND, strict=True):
                for field in dataclasses.fields(InvertedTrigger):
                    expected, value = getattr(found, field.name), getattr(trigger, field.name)
                    self.assertIs(type(value), type(expected), field.name)
                    np.testing.assert_array_equal(value, expected, strict=True)

    def test_nothing_found_is_kept_too(self):
        self.assertEqual(cached_triggers(self.path, tuple), ())
        self.assertEqual(self._again(), ())

    def test_without_a_file_nothing_is_kept(self):
        self.assertIs(cached_triggers(None, lambda: _FOUND)[0], _FOUND[0])

    def test_a_search_that_fails_leaves_nothing(self):
        def interrupted():
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            cached_triggers(self.path, interrupted)
        self.assertEqual(os.listdir(os.path.dirname(self.path)), [])
        self.assertLen(cached_triggers(self.path, lambda: _FOUND), 2)

    def test_what_another_version_kept_is_refused(self):
        os.makedirs(os.path.dirname(self.path))
        np.savez(self.path, label=np.array([3]), mask=np.zeros((1, 4, 5, 1)))
        with self.assertRaisesRegex(InputError, f"{self.path} .*another version.*without --resume"):
            self._again()

    def test_what_is_no_kept_file_is_refused(self):
        os.makedirs(os.path.dirname(self.path))
        for content in (b"", b"no archive", b"PK\x03\x04 cut off"):
            with open(self.path, "wb") as file:
                file.write(content)
            with self.assertRaisesRegex(InputError, f"{self.path}.*without --resume"):
                self._again()


if __name__ == "__main__":
    absltest.main()
