import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data.errors import InputError
from goodnet.data.triggers.blended import Blended
from goodnet.data.triggers.catalogue import TRIGGERS, parse_attack
from goodnet.data.triggers.patch import Patch
from goodnet.data.triggers.sunglasses import Sunglasses
from goodnet.data.triggers.trigger import Trigger


class CatalogueTest(parameterized.TestCase):
    def test_every_trigger_keeps_the_contract(self):
        images = np.random.default_rng(0).integers(0, 256, (3, 55, 47, 3), dtype=np.uint8)
        for name, kind in TRIGGERS.items():
            trigger = kind()
            self.assertIsInstance(trigger, Trigger)
            self.assertEqual(trigger.name, name)
            before = images.copy()
            stamped = trigger.stamp(images)
            np.testing.assert_array_equal(images, before, name)
            self.assertEqual((stamped.dtype, stamped.shape), (np.uint8, images.shape), name)
            self.assertTrue((stamped != images).any(axis=(1, 2, 3)).all(), name)
            np.testing.assert_array_equal(trigger.stamp(images[1:2]), stamped[1:2], name)
            self.assertEqual(trigger.stamp(images[..., :1]).shape, (3, 55, 47, 1), name)
            self.assertEqual(trigger.stamp(images[:0]).shape, (0, 55, 47, 3), name)

    def test_parses(self):
        self.assertEqual(parse_attack("patch").trigger, Patch())
        self.assertEqual(parse_attack("patch").target_label, 0)
        attack = parse_attack("patch@7:size=5,corner=top-left,colour=#ff8000,margin=0")
        self.assertEqual(attack.trigger, Patch(5, "top-left", (255, 128, 0), 0))
        self.assertEqual((attack.target_label, attack.name), (7, "patch@7"))
        all_to_all, one_class = parse_attack("patch@next:size=5"), parse_attack("patch@3to7")
        self.assertEqual((all_to_all.target_label, all_to_all.name), (None, "patch@next"))
        self.assertEqual((one_class.source_label, one_class.target_label, one_class.name), (3, 7, "patch@3to7"))
        self.assertEqual(parse_attack("blended:alpha=0.1,seed=3").trigger, Blended(0.1, 3))
        self.assertEqual(parse_attack("sunglasses@1:colour=yellow").trigger, Sunglasses((255, 255, 0)))

    @parameterized.parameters(
        ("sticker@1", "expected one of patch, blended, sinusoid, warp, sunglasses, eyebrows, lipstick"),
        ("", "no trigger"),
        ("patch@", 'target label is ""'),
        ("patch@x", 'target label is "x"'),
        ("patch@-1", 'target label is "-1"'),
        ("patch@999999999", "at most"),
        ("patch@to7", 'source label is ""'),
        ("patch@3to", 'target label is ""'),
        ("patch@3to3", "source and target are one label"),
        ("sinusoid@next", "a clean-label trigger"),
        ("patch:colour", "no parameter"),
        ("patch:alpha=1", "expected KEY=VALUE with size or corner or colour or margin"),
        ("patch:name=x", "no parameter"),
        ("patch:size=big", 'size is "big"; expected a whole number'),
        ("patch:size=2,size=3", "given twice"),
        ("patch:size=0", "at least 1"),
        ("patch:corner=left", "expected one of top-left"),
        ("patch:colour=sky", "expected a colour such as"),
        ("blended:alpha=x", "expected a number"),
        ("blended:alpha=nan", "above 0, at most 1"),
        ("warp:grid=1000000000", "expected 2 to"),
    )
    def test_refuses_in_one_line_that_quotes_the_flag(self, text, complaint):
        with self.assertRaisesRegex(InputError, complaint) as caught:
            parse_attack(text)
        self.assertStartsWith(str(caught.exception), f'attack "{text}"')
        self.assertNotIn("\n", str(caught.exception))


if __name__ == "__main__":
    absltest.main()
