"""Tests of holding networks against each other on the same sets."""

import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.data.opening import open_image_set
from goodnet.models.detector import build_detector
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.loading.opening import open_model
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.measuring.comparison import NamedSet, Networks, distinct_names, measure
from goodnet.pipeline.measuring.predictions import BADNET, DETECTOR, PRUNED, REPAIRED
from testing.example_case import bars, example_case, small_network


class ComparisonTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.case = example_case()
        self.badnet = ScaledNetwork(open_model(self.case.model), UNIT_SCALE)

    def test_a_model_alone(self):
        (answered,) = measure(Networks(self.badnet), [NamedSet("test", open_image_set(self.case.test))])
        (answers,) = answered.measured.predictions
        self.assertEqual((answers.stage, answered.measured.name, answered.measured.poisoned), (BADNET, "test", False))
        self.assertGreater(np.mean(answers.labels == answered.images.labels), 0.9)

    def test_all_networks_answer_on_all_sets(self):
        detector = build_detector(self.badnet.model, small_network(), UNIT_SCALE, threshold=0.5)
        networks = Networks(self.badnet, self.badnet.model, small_network(), detector)
        sets = [
            NamedSet("test", open_image_set(self.case.test)),
            NamedSet("poisoned", open_image_set(self.case.poisoned), given_as_poisoned=True),
        ]
        answered = measure(networks, sets)
        self.assertEqual([one.measured.poisoned for one in answered], [False, True])
        for one in answered:
            self.assertEqual(
                [answers.stage for answers in one.measured.predictions], [BADNET, PRUNED, REPAIRED, DETECTOR]
            )

    def test_images_that_do_not_fit_are_refused(self):
        with self.assertRaisesRegex(InputError, "images are 14 x 14 x 3; the model expects"):
            measure(Networks(self.badnet), [NamedSet("large", bars(8, seed=0, side=14))])

    def test_names_of_sets_differ(self):
        self.assertEqual(distinct_names(["a/sun.h5", "b/lip.h5"]), ["sun.h5", "lip.h5"])
        self.assertEqual(distinct_names(["a/sun.h5", "b/sun.h5", "c/"]), ["sun.h5 (1)", "sun.h5 (2)", "c"])


if __name__ == "__main__":
    absltest.main()
