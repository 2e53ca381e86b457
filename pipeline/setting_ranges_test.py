"""Tests of what settings may be: the same as on the command line."""

import numpy as np
from absl import flags
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.flags import detection, exporting, inputs, methods, pruning, running  # noqa: F401
from goodnet.pipeline import setting_ranges
from goodnet.pipeline.setting_ranges import checked


class SettingRangesTest(absltest.TestCase):
    def test_the_flags_have_the_same_ranges(self):
        for name, (least, most) in {**setting_ranges.WHOLE_NUMBERS, **setting_ranges.NUMBERS}.items():
            parser = flags.FLAGS[name].parser
            self.assertEqual((parser.lower_bound, parser.upper_bound), (least, most), name)
            self.assertEqual(isinstance(parser, flags.IntegerParser), name in setting_ranges.WHOLE_NUMBERS, name)
        for name, choices in setting_ranges.CHOICES.items():
            self.assertCountEqual(flags.FLAGS[name].parser.enum_values, choices, name)

    def test_plain_values_come_out(self):
        for name, given, expected in (
            ("seed", np.int64(3), 3),
            ("learning_rate", 1, 1.0),
            ("max_zoom", np.float32(0.5), 0.5),
            ("strip", True, True),
        ):
            found = checked(name, given, default=False)
            self.assertEqual((found, type(found)), (expected, type(expected)))
        self.assertIsNone(checked("fine_tuning_epochs", None, default=None))

    def test_what_is_out_of_range_or_of_another_type_is_refused(self):
        for name, given in (
            ("seed", 2**32),
            ("seed", 1.0),
            ("seed", None),
            ("batch_size", True),
            ("max_light", float("inf")),
            ("max_light", "0.1"),
            ("max_zoom", 0.91),
            ("strip", "no"),
        ):
            with self.subTest(name), self.assertRaisesRegex(InputError, f"--{name}=.*: expected"):
                checked(name, given, default=False)


if __name__ == "__main__":
    absltest.main()
