"""Tests of opening the model under suspicion."""

import json

import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.data.image_set import from_arrays
from goodnet.data.opening import open_image_set
from goodnet.models.input_scale import BYTE_SCALE, CAFFE_SCALE, DEFAULT_SCALES, UNIT_SCALE, InputScale
from goodnet.models.input_scale_search import AtChance
from goodnet.models.legacy_keras import keras
from goodnet.models.saving import save_network
from goodnet.pipeline.inputs.suspect import open_suspect, scale_candidates, scale_findings
from testing.example_case import CLASSES, SIDE, bars, example_case, small_network


class SuspectTest(absltest.TestCase):
    def test_tells_what_the_model_takes_and_gives(self):
        case = example_case()
        suspect = open_suspect(case.model, open_image_set(case.clean), DEFAULT_SCALES)
        self.assertEqual(suspect.path, case.model)
        self.assertEqual(suspect.facts.image_shape, (SIDE, SIDE, 3))
        self.assertEqual(suspect.facts.classes, CLASSES)
        self.assertFalse(suspect.facts.logits)
        self.assertEqual(suspect.scale.chosen, UNIT_SCALE)
        self.assertGreater(suspect.scale.accuracy, 0.9)
        self.assertEqual(suspect.scale.images, 280)

    def test_a_scale_that_was_chosen_is_the_only_one_tried(self):
        case = example_case()
        suspect = open_suspect(case.model, open_image_set(case.clean), scale_candidates("byte", order="rgb"))
        self.assertEqual(suspect.scale.chosen, BYTE_SCALE)

    def test_images_of_another_size_are_refused(self):
        with self.assertRaisesRegex(InputError, "bars 1: images are 14 x 14 x 3; the model expects 12 x 12 x 3"):
            open_suspect(example_case().model, bars(20, seed=1, side=14), DEFAULT_SCALES)

    def test_labels_beyond_the_models_classes_are_refused(self):
        clean = bars(40, seed=1)
        beyond = from_arrays("beyond", clean.images(), clean.labels + 1)
        with self.assertRaisesRegex(InputError, "beyond: labels run from 1 to 4; the model has 4 classes"):
            open_suspect(example_case().model, beyond, DEFAULT_SCALES)

    def test_a_model_at_chance_is_refused(self):
        path = self.create_tempdir().full_path + "/untrained.h5"
        save_network(small_network(), path)
        clean = bars(80, seed=1)
        shuffled = from_arrays("shuffled", clean.images(), np.random.default_rng(0).permutation(clean.labels))
        for model in (path, example_case().model):
            with self.assertRaisesRegex(InputError, "shuffled: .* no better than chance .*expected clean data"):
                open_suspect(model, shuffled, DEFAULT_SCALES)

    def test_an_average_of_softmaxes_is_taken_for_probabilities(self):
        one, other = small_network(), small_network()
        image = keras.Input((SIDE, SIDE, 3))
        ensemble = keras.Model(image, keras.layers.Average()([one(image), other(image)]))
        path = self.create_tempdir().full_path + "/ensemble.h5"
        ensemble.save(path)
        clean = bars(80, seed=1)
        suspect = open_suspect(path, clean, DEFAULT_SCALES, at_chance=AtChance.WARN)
        self.assertFalse(suspect.facts.logits)
        pixels = suspect.scale.chosen.apply(clean.images())
        np.testing.assert_allclose(suspect.model(pixels), ensemble(pixels), atol=1e-5)

    def test_manifests_say_the_choice_in_plain_types(self):
        case = example_case()
        scale = open_suspect(case.model, open_image_set(case.clean), DEFAULT_SCALES).scale
        found = json.loads(json.dumps(scale_findings(scale), allow_nan=False))
        self.assertEqual(InputScale.from_json(found["input_scale"]), scale.chosen)
        self.assertEqual(found["input_scale_runner_up"]["likelihood"], scale.runner_up_likelihood)
        self.assertEqual(found["input_scale_warnings"], list(scale.warnings))


class ScaleCandidatesTest(absltest.TestCase):
    def test_auto_tries_several(self):
        self.assertEqual(scale_candidates("auto"), tuple(DEFAULT_SCALES))
        self.assertEqual(scale_candidates("byte"), (BYTE_SCALE, BYTE_SCALE.with_bgr()))
        self.assertEqual(scale_candidates("byte", order="rgb"), (BYTE_SCALE,))
        self.assertEqual(scale_candidates("caffe", order="bgr"), (CAFFE_SCALE,))
        self.assertLen(scale_candidates("auto", order="bgr"), len(DEFAULT_SCALES) // 2)

    def test_mean_and_standard_deviation(self):
        (scale, bgr) = scale_candidates("mean_std", ["0.5", "0.4", "0.3"], ["0.2", "0.2", "0.2"])
        np.testing.assert_allclose(scale.apply(np.full([1, 3], 255, np.uint8)), [[2.5, 3.0, 3.5]], rtol=1e-6)
        np.testing.assert_allclose(bgr.apply(np.full([1, 3], 255, np.uint8)), [[3.5, 3.0, 2.5]], rtol=1e-6)

    def test_mean_and_standard_deviation_that_are_not_given_or_no_numbers_are_refused(self):
        for mean, std in (
            (None, None),
            (["0.5"], None),
            (["half"], ["0.1"]),
            (["127"], ["50"]),
            (["nan"], ["0.1"]),
            (["0.5"], ["0"]),
        ):
            with self.subTest(f"{mean} {std}"), self.assertRaisesRegex(InputError, "mean.*expected|divide by 255"):
                scale_candidates("mean_std", mean, std)


if __name__ == "__main__":
    absltest.main()
