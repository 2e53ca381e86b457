import json

from absl.testing import absltest

from bench.zoo.draw import CLASSES, HELD_OUT_FROM, NETWORKS, draw, parse_seeds
from bench.zoo.triggers import kinds
from goodnet.data.errors import InputError

# Seeds that no figure is ever made of.
_MANY = range(10**6, 10**6 + 200)


class DrawTest(absltest.TestCase):
    def test_a_seed_always_draws_the_same(self):
        for seed in (*range(30), HELD_OUT_FROM):
            self.assertEqual(draw(seed), draw(seed))
            self.assertEqual(draw(seed).description, json.loads(json.dumps(draw(seed).description)))

    def test_two_hundred_seeds_draw_everything_there_is(self):
        draws = [draw(seed) for seed in _MANY]
        triggers = [attack.trigger for one in draws for attack in one.attacks]
        self.assertSetEqual({trigger.kind for trigger in triggers}, set(kinds.KINDS))
        self.assertLen(set(triggers), len(triggers))
        self.assertSetEqual(
            {(one.dataset, one.network, one.wide) for one in draws},
            {(dataset, network, wide) for dataset in CLASSES for network in NETWORKS for wide in (False, True)},
        )
        self.assertSetEqual({len(one.attacks) for one in draws}, {0, 1, 2, 3})
        self.assertBetween(sum(not one.attacks for one in draws), 35, 65)

    def test_what_is_drawn_fits_together(self):
        for one in map(draw, _MANY):
            self.assertTrue(all(0 <= attack.target < CLASSES[one.dataset] for attack in one.attacks))
            for attack in one.attacks:
                self.assertTrue(attack.trigger.kind != kinds.PAINT or one.dataset == "faces")
                self.assertTrue(not attack.trigger.clean_label or len(one.attacks) == 1)
            self.assertEqual(one.poison_share > 0, bool(one.attacks))
            self.assertLess(one.poison_share, 1)

    def test_a_held_out_draw_is_not_shown(self):
        self.assertEqual(str(draw(HELD_OUT_FROM)).split(), [str(HELD_OUT_FROM), "held", "out"])
        self.assertTrue(draw(HELD_OUT_FROM).held_out)
        self.assertFalse(draw(99).held_out)

    def test_seeds_as_they_are_written(self):
        self.assertEqual(parse_seeds("3"), (3,))
        self.assertEqual(parse_seeds("0:3,1000:1002,2"), (0, 1, 2, 1000, 1001))
        for text in ("", "x", "3:3", "5:2", "-1", "100", "90:101", "98:1001", "٣"):
            with self.assertRaisesRegex(InputError, "--seeds"):
                parse_seeds(text)


if __name__ == "__main__":
    absltest.main()
