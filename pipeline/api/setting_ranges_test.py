"""Tests of what settings may be: the same as on the command line."""

import subprocess
import sys

import numpy as np
from absl import flags
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.flags import inputs, running  # noqa: F401
from goodnet.models.input_scale import SCALES_BY_NAME
from goodnet.pipeline.api import library
from goodnet.pipeline.api.setting_ranges import checked

_IMPORTING = """
from absl import flags
import goodnet.pipeline.api.library
print([name for name in flags.FLAGS.flags_by_module_dict() if name.startswith("goodnet")])
"""


def _taken(parse, value):
    try:
        return parse(value) == value
    except ValueError:
        return False


class SettingRangesTest(absltest.TestCase):
    def test_arguments_and_shared_flags_take_the_same(self):
        parsers = {name: flags.FLAGS[name].parser for name in vars(library)["_REPAIR_SETTINGS"] if name in flags.FLAGS}
        self.assertContainsSubset(("batch_size", "channel_order", "min_parity", "precision", "seed"), parsers)
        for name, parser in parsers.items():
            values = ()
            if isinstance(parser, flags.IntegerParser):
                values = (-1, 0, 1, 2, 2**32, 10**15 + 1)
            if isinstance(parser, flags.FloatParser):
                values = (-0.1, 0.0, 0.9, 1.0, 1.1, float("nan"), float("inf"))
            if isinstance(parser, flags.EnumParser):
                values = (*parser.enum_values, "INT8", "")
            for value in values:
                as_argument = _taken(lambda given, name=name: checked(name, given, 0), value)
                self.assertEqual(as_argument, _taken(parser.parse, value), f"{name}={value!r}")

    def test_every_input_scale_is_a_choice(self):
        choices = flags.FLAGS["input_scale"].parser.enum_values
        self.assertEqual(choices, ("auto", *SCALES_BY_NAME, "mean_std"))

    def test_a_program_that_imports_the_library_may_have_flags_of_these_names(self):
        done = subprocess.run([sys.executable, "-c", _IMPORTING], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.strip(), "[]", done.stderr)

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
            ("pruning_epochs", 0),
            ("fine_tuning_epochs", -1),
            ("max_false_positive_rate", 1.1),
            ("precision", "int4"),
            ("strip", "no"),
        ):
            with self.subTest(name), self.assertRaisesRegex(InputError, f"--{name}=.*expected"):
                checked(name, given, default=False)


if __name__ == "__main__":
    absltest.main()
