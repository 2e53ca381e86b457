"""Tests of flags that hold a number, all that there are."""

import pathlib
import sys

from absl import flags
from absl.testing import absltest

# Named one by one, since Bazel has no other module at hand.
from goodnet.flags import (  # noqa: F401
    attacking,
    auditing,
    benchmarking,
    detection,
    evaluating,
    exporting,
    faces,
    finite,
    inputs,
    methods,
    pruning,
    running,
)

_MODULES = [module for name, module in sys.modules.items() if name.startswith("goodnet.flags.") and "_test" not in name]


def _number_flags():
    for module in _MODULES:
        for holder in vars(module).values():
            if isinstance(holder, flags.FlagHolder):
                flag = flags.FLAGS[holder.name]
                if isinstance(flag.parser, flags.FloatParser):
                    yield flag


class FiniteTest(absltest.TestCase):
    def test_no_module_is_forgotten(self):
        there = {source.stem for source in pathlib.Path(__file__).parent.glob("*.py")}
        named = {module.__name__.split(".")[-1] for module in _MODULES}
        self.assertEmpty({name for name in there if not name.endswith("_test")} - named - {"__init__"})

    def test_no_flag_takes_what_is_not_finite(self):
        found = list(_number_flags())
        self.assertContainsSubset(("learning_rate", "max_zoom", "poison_share"), [flag.name for flag in found])
        for flag in found:
            for text in ("nan", "NaN", "inf", "-inf", "Infinity", "1e999"):
                with self.subTest(f"--{flag.name}={text}"), self.assertRaisesRegex(ValueError, "finite number"):
                    flag.parser.parse(text)
            self.assertGreater(flag.parser.parse("0.25"), 0)

    def test_bounds_hold_and_a_flag_belongs_to_its_module(self):
        parser = flags.FLAGS[pruning.MAX_ZOOM.name].parser
        for text in ("-0.1", "0.95", "one"):
            with self.assertRaises(ValueError):
                parser.parse(text)
        owners = flags.FLAGS.flags_by_module_dict()
        self.assertIn("max_zoom", [flag.name for flag in owners[pruning.__name__]])
        self.assertNotIn(finite.__name__, owners)


if __name__ == "__main__":
    absltest.main()
