"""Tests of the tournament on a network whose trigger is known, also where probabilities are very small."""

from dataclasses import replace

from absl.testing import absltest

from models.input_scale import UNIT_SCALE
from models.legacy_keras import keras
from pipeline.inversion.search_test import bright_rows, planted_network
from pipeline.inversion.tournament import TournamentSettings, by_promise

_CLASSES = 8
_PLANTED = 2
_SETTINGS = TournamentSettings(steps=(4, 6, 10), kept=0.5, grain=2)


class TournamentTest(absltest.TestCase):
    def test_the_planted_label_comes_first(self):
        for labels_at_once in (3, 256):
            order = by_promise(
                planted_network(_CLASSES),
                bright_rows(48, _CLASSES),
                UNIT_SCALE,
                range(_CLASSES),
                replace(_SETTINGS, labels_at_once=labels_at_once),
            )
            self.assertEqual(order[0], _PLANTED)
            self.assertCountEqual(order, range(_CLASSES))

    def test_labels_a_sharp_network_finds_impossible_still_have_a_slope(self):
        model = planted_network(_CLASSES)
        kernel, bias = model.get_weights()
        model.set_weights([4 * kernel, bias])  # other labels' probabilities are below 1e-12
        sharp = keras.Sequential([model, keras.layers.Softmax()])
        images = bright_rows(48, _CLASSES)
        self.assertLess(sharp(UNIT_SCALE.apply(images.images([0]))).numpy()[0, _PLANTED], 1e-12)
        order = by_promise(sharp, images, UNIT_SCALE, range(_CLASSES), _SETTINGS)
        self.assertEqual(order[0], _PLANTED)

    def test_the_same_seed_gives_the_same_order(self):
        arguments = (planted_network(_CLASSES), bright_rows(48, _CLASSES), UNIT_SCALE, range(_CLASSES))
        blends = replace(_SETTINGS, uniform=True, seed=3)
        self.assertEqual(by_promise(*arguments, blends), by_promise(*arguments, blends))


if __name__ == "__main__":
    absltest.main()
