import os
from fractions import Fraction
from math import comb
from pathlib import Path

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from data.errors import InputError
from data.image_set import ImageSet, from_arrays
from models.input_scale import (
    BYTE_SCALE,
    DEFAULT_SCALES,
    SYMMETRIC_SCALE,
    UNIT_SCALE,
    InputScale,
    chance_probability,
    find_input_scale,
    mean_std_scale,
)
from models.legacy_keras import keras
from models.opening import open_model


def _brightness_model(wanted: InputScale, classes: int = 4) -> keras.Model:
    """Right on images of one grey, where the class is the brightness; only on the scale it wants."""
    image = keras.Input((4, 4, 3))
    mean = keras.layers.GlobalAveragePooling2D()(image)
    logits = keras.layers.Dense(classes, name="logits")(mean)
    model = keras.Model(image, keras.layers.Softmax()(logits))
    centres = _greys(classes).astype(np.float64) * wanted.scale[0] + wanted.offset[0]
    # The nearest centre c of x has the largest 2 c x - c^2; sharpened so that probabilities are clear.
    sharpness = 20.0 / (centres[1] - centres[0]) ** 2
    kernel = np.repeat(2 * centres[None] / 3, 3, axis=0) * sharpness
    model.get_layer("logits").set_weights([kernel, -(centres**2) * sharpness])
    return model


def _greys(classes: int) -> np.ndarray:
    return np.linspace(20, 235, classes)


def _grey_images(count: int, classes: int = 4, seed: int = 0) -> ImageSet:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % classes)
    noise = rng.integers(-15, 16, (count, 4, 4, 3))
    return from_arrays("greys", (_greys(classes)[labels][:, None, None, None] + noise).astype(np.uint8), labels)


class InputScaleTest(parameterized.TestCase):
    @parameterized.parameters((UNIT_SCALE, 0.0, 1.0), (BYTE_SCALE, 0.0, 255.0), (SYMMETRIC_SCALE, -1.0, 1.0))
    def test_ends_of_the_range(self, scale, low, high):
        scaled = scale.apply(np.array([[[[0, 255, 0]]]], np.uint8))
        self.assertEqual(scaled.dtype, np.float32)
        np.testing.assert_allclose(scaled.ravel(), [low, high, low], atol=1e-6)

    @parameterized.parameters(*DEFAULT_SCALES, mean_std_scale((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    def test_layer_does_what_apply_does_also_after_saving(self, scale):
        images = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), np.uint8)
        model = keras.Sequential([keras.layers.Input((3, 4, 3)), scale.layer()])
        path = os.path.join(self.create_tempdir(), "scale.h5")
        model.save(path)
        loaded = keras.models.load_model(path, compile=False)
        np.testing.assert_allclose(loaded(images.astype(np.float32)), scale.apply(images), atol=1e-5)
        self.assertEqual(loaded.layers[-1].name, "input_scale")

    def test_mean_std(self):
        scale = mean_std_scale((0.5, 0.25, 0.0), (0.5, 0.25, 1.0))
        np.testing.assert_allclose(scale.apply(np.full((1, 1, 1, 3), 255, np.uint8)).ravel(), [1, 3, 1], atol=1e-6)

    @parameterized.parameters(((127.5,), (127.5,)), ((0.5,), (0.0,)), ((0.5,) * 3, (0.5,)), ((0.5, 0.5), (0.5, 0.5)))
    def test_refuses_what_is_no_mean_and_deviation(self, mean, std):
        with self.assertRaises(InputError):
            mean_std_scale(mean, std)


class FindInputScaleTest(parameterized.TestCase):
    @parameterized.parameters(*DEFAULT_SCALES)
    def test_finds_the_scale_a_model_wants(self, wanted):
        finding = find_input_scale(_brightness_model(wanted), _grey_images(200))
        self.assertEqual((finding.chosen, finding.accuracy, finding.images), (wanted, 1.0, 200))
        self.assertNotEqual(finding.runner_up, wanted)
        self.assertLess(finding.runner_up_accuracy, 1)

    def test_five_images_are_enough(self):
        finding = find_input_scale(_brightness_model(UNIT_SCALE, classes=5), _grey_images(5, classes=5))
        self.assertEqual(finding.chosen, UNIT_SCALE)

    def test_likelihood_breaks_ties(self):
        half = InputScale("nearly", (1 / 270,), (0.0,))
        for candidates in ((half, UNIT_SCALE), (UNIT_SCALE, half)):
            finding = find_input_scale(_brightness_model(UNIT_SCALE), _grey_images(100), candidates)
            self.assertEqual((finding.accuracy, finding.runner_up_accuracy), (1.0, 1.0))
            self.assertEqual(finding.chosen, UNIT_SCALE)

    def test_looks_at_a_seeded_sample_of_many(self):
        finding = find_input_scale(_brightness_model(BYTE_SCALE), _grey_images(5000))
        self.assertEqual(finding.images, 2048)
        self.assertEqual(finding, find_input_scale(_brightness_model(BYTE_SCALE), _grey_images(5000)))

    @parameterized.parameters(5, 40, 3000)
    def test_refuses_a_model_at_chance(self, count):
        clean = _grey_images(count)
        shuffled = from_arrays("shuffled", clean.images(), np.random.default_rng(1).permutation(clean.labels))
        with self.assertRaisesRegex(InputError, "^shuffled: .* no better than chance") as raised:
            find_input_scale(_brightness_model(UNIT_SCALE), shuffled)
        self.assertNotIn("\n", str(raised.exception))

    def test_refuses_a_model_that_always_says_the_most_frequent_label(self):
        clean = _grey_images(400)
        model = _brightness_model(UNIT_SCALE)
        model.get_layer("logits").set_weights([np.zeros((3, 4)), np.array([5.0, 0, 0, 0])])
        unbalanced = clean.subset(np.flatnonzero((clean.labels == 0) | (np.arange(400) % 10 == 0)))
        with self.assertRaisesRegex(InputError, "chance"):
            find_input_scale(model, unbalanced)

    def test_refuses_a_single_class(self):
        clean = _grey_images(40)
        with self.assertRaisesRegex(InputError, "have the label 2; expected several classes"):
            find_input_scale(_brightness_model(UNIT_SCALE), clean.subset(np.flatnonzero(clean.labels == 2)))

    def test_refuses_images_of_another_size(self):
        clean = from_arrays("large", np.zeros((4, 5, 5, 3), np.uint8), np.arange(4))
        with self.assertRaisesRegex(InputError, "large: images are 5 x 5 x 3"):
            find_input_scale(_brightness_model(UNIT_SCALE), clean)

    @parameterized.parameters((4, 5, 0.2), (3, 5, 0.2), (20, 200, 1 / 43), (200, 200, 0.5), (1, 1, 0.5), (0, 9, 0.1))
    def test_chance_probability_is_the_exact_binomial_tail(self, correct, images, chance):
        share = Fraction(chance)
        exact = sum(comb(images, k) * share**k * (1 - share) ** (images - k) for k in range(correct, images + 1))
        np.testing.assert_allclose(chance_probability(correct, images, chance), float(exact), rtol=1e-9)


class CsawTest(absltest.TestCase):
    def test_five_real_nets(self):
        if "SHARED_DATA" not in os.environ:
            self.skipTest("SHARED_DATA does not name the folder with the CSAW weights")
        folder = Path(os.environ["SHARED_DATA"]) / "csaw"
        paths = sorted((folder / "images").glob("cl_*"))
        labels = [int(path.stem.split("=")[1]) for path in paths]
        faces = from_arrays(
            "faces", np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths]), np.array(labels)
        )
        right = 0
        for path in sorted(folder.glob("*_bd_weights.h5")):
            finding = find_input_scale(open_model(str(path)), faces)
            self.assertEqual(finding.chosen, BYTE_SCALE if path.name.startswith("lab3") else UNIT_SCALE, path.name)
            right += round(finding.accuracy * 5)
        self.assertEqual(right, 24)
        repaired = find_input_scale(open_model(str(folder / "full_model_keras2.h5")), faces)
        self.assertEqual(repaired.chosen, UNIT_SCALE)


if __name__ == "__main__":
    absltest.main()
