"""Tests of flags that hold a number, all that there are, and of those that are made of a settings class."""

import dataclasses
import pathlib
import sys

from absl import flags
from absl.testing import absltest, flagsaver

# Named one by one, since Bazel has no other module at hand.
from goodnet.flags import attacking, inputs, running, settings  # noqa: F401
from goodnet.flags.settings import define_flags, setting, settings_of_flags

_MODULES = [module for name, module in sys.modules.items() if name.startswith("goodnet.flags.")]


@dataclasses.dataclass(frozen=True)
class _Example:
    folder: str
    rounds: int = setting(4, "Rounds.", lower_bound=1)
    limit: int | None = setting(None, "No more than these.", lower_bound=0)
    share: float | None = setting(None, "A share.", lower_bound=0.0, upper_bound=0.9)
    fast: bool = setting(False, "Fast.")
    way: str = setting("north", "Where to.")
    layers: tuple[str, ...] | None = setting(None, "Names.")


_FLAGS = define_flags(_Example)


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
        self.assertContainsSubset(("min_parity", "poison_share"), [flag.name for flag in found])
        for flag in found:
            for text in ("nan", "NaN", "inf", "-inf", "Infinity", "1e999"):
                with self.subTest(f"--{flag.name}={text}"), self.assertRaisesRegex(ValueError, "finite number"):
                    flag.parser.parse(text)
            self.assertGreater(flag.parser.parse("0.25"), 0)

    def test_bounds_hold(self):
        for name, texts in {"share": ("-0.1", "0.95", "one"), "rounds": ("0", "1.5"), "limit": ("-1",)}.items():
            for text in texts:
                with self.subTest(f"--{name}={text}"), self.assertRaises(ValueError):
                    flags.FLAGS[name].parser.parse(text)

    def test_a_flag_belongs_to_its_module(self):
        owners = flags.FLAGS.flags_by_module_dict()
        self.assertIn("poison_share", [flag.name for flag in owners[attacking.__name__]])
        self.assertNotIn(settings.__name__, owners)
        mine = flags.FLAGS.get_key_flags_for_module(sys.modules[__name__])
        self.assertContainsSubset(_FLAGS, [flag.name for flag in mine])


class SettingsTest(absltest.TestCase):
    def test_without_flags_the_defaults_hold(self):
        self.assertEqual(settings_of_flags(_Example, folder="out"), _Example("out"))
        self.assertEqual({name: holder.default for name, holder in _FLAGS.items()}, {
            "rounds": 4, "limit": None, "share": None, "fast": False, "way": "north", "layers": None
        })  # fmt: skip

    def test_flags_are_read(self):
        given = {"rounds": "7", "limit": "0", "share": "0.5", "fast": "true", "way": "south", "layers": "conv_3,conv_4"}
        expected = _Example("out", 7, 0, 0.5, True, "south", ("conv_3", "conv_4"))
        with flagsaver.as_parsed(**given):
            self.assertEqual(settings_of_flags(_Example, folder="out"), expected)

    def test_the_help_says_what_the_field_does(self):
        self.assertEqual(flags.FLAGS["rounds"].help, "Rounds.")

    def test_a_type_that_no_flag_has_is_refused(self):
        @dataclasses.dataclass(frozen=True)
        class Odd:
            table: dict = setting(None, "A table.")  # noqa: RUF009

        with self.assertRaisesRegex(TypeError, "table: <class 'dict'>; expected bool, int"):
            define_flags(Odd)


if __name__ == "__main__":
    absltest.main()
