from absl.testing import absltest

from pipeline.inversion.shortlist import ShortlistSettings, shortlist


class ShortlistTest(absltest.TestCase):
    def test_few_labels_are_all_taken_and_never_ordered(self):
        chosen = shortlist(5, lambda: self.fail("ordered"), ShortlistSettings(above=5))
        self.assertEqual((chosen.labels, chosen.reference, chosen.order), ((0, 1, 2, 3, 4), (0, 1, 2, 3, 4), ()))

    def test_of_many_the_first_in_order_and_some_others_each_once(self):
        settings = ShortlistSettings(above=64, promising=0.05, least_promising=2, reference=10)
        order = tuple(reversed(range(100)))
        chosen = shortlist(100, lambda: order, settings)
        self.assertEqual(chosen.candidates, (99, 98, 97, 96, 95))
        self.assertLen(set(chosen.reference), 10)
        self.assertEqual(chosen.labels, tuple(sorted({*chosen.candidates, *chosen.reference})))
        self.assertEqual(chosen.order, order)
        again = shortlist(100, lambda: order, settings)
        self.assertEqual(again.reference, chosen.reference)

    def test_so_many_at_least(self):
        settings = ShortlistSettings(above=2, least_promising=3, reference=99)
        chosen = shortlist(10, lambda: range(10), settings)
        self.assertEqual((chosen.candidates, len(chosen.reference)), ((0, 1, 2), 10))


if __name__ == "__main__":
    absltest.main()
