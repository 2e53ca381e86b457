"""Tests of finding out what a network expects of pixels."""

import os
from pathlib import Path

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet, from_arrays
from goodnet.models.input_scale import (
    BYTE_SCALE,
    CAFFE_SCALE,
    DEFAULT_SCALES,
    PER_IMAGE_SCALE,
    SYMMETRIC_SCALE,
    UNIT_SCALE,
    InputScale,
)
from goodnet.models.input_scale_search import AtChance, find_input_scale
from goodnet.models.legacy_keras import keras
from goodnet.models.loading.opening import open_model


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


def _colour_images(count: int, classes: int = 9) -> ImageSet:
    """Each class is a colour of its own."""
    colours = np.random.default_rng(1).integers(20, 236, (classes, 3))
    labels = np.random.default_rng(0).permutation(np.arange(count) % classes)
    noise = np.random.default_rng(2).integers(-15, 16, (count, 4, 4, 3))
    return from_arrays("colours", (colours[labels][:, None, None] + noise).astype(np.uint8), labels)


def _colour_model(wanted: InputScale, classes: int = 9) -> keras.Model:
    """Answers the class whose colour is nearest in the space that it wants its pixels in."""
    images = _colour_images(40 * classes, classes)
    means = wanted.apply(images.images()).mean((1, 2)).astype(np.float64)
    centres = np.stack([means[images.labels == label].mean(0) for label in range(classes)])
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2) + 1e9 * np.eye(classes)
    sharpness = 20.0 / apart.min() ** 2
    image = keras.Input((4, 4, 3))
    logits = keras.layers.Dense(classes, name="logits")(keras.layers.GlobalAveragePooling2D()(image))
    model = keras.Model(image, keras.layers.Softmax()(logits))
    model.get_layer("logits").set_weights([2 * centres.T * sharpness, -np.sum(centres**2, axis=1) * sharpness])
    return model


def _homogeneous_model() -> keras.Model:
    """Answers the brightest channel; as networks of ReLUs with small biases do, on every scale."""
    image = keras.Input((4, 4, 3))
    logits = keras.layers.Dense(3, use_bias=False, name="logits")(keras.layers.GlobalAveragePooling2D()(image))
    model = keras.Model(image, keras.layers.Softmax()(logits))
    model.get_layer("logits").set_weights([8 * np.eye(3)])
    return model


def _brightest_channel(count: int, wrong: int) -> ImageSet:
    """Images that `_homogeneous_model` gets right, but for the first few."""
    labels = np.arange(count) % 3
    images = (
        80
        + np.random.default_rng(0).integers(-9, 10, (count, 4, 4, 3))
        + 60 * np.eye(3, dtype=int)[labels][:, None, None]
    )
    return from_arrays(
        "channels", images.astype(np.uint8), np.where(np.arange(count) < wrong, (labels + 1) % 3, labels)
    )


class FindInputScaleTest(parameterized.TestCase):
    @parameterized.parameters(UNIT_SCALE, BYTE_SCALE, SYMMETRIC_SCALE)
    def test_finds_the_scale_a_model_wants(self, wanted):
        finding = find_input_scale(
            _brightness_model(wanted), _grey_images(200), (UNIT_SCALE, BYTE_SCALE, SYMMETRIC_SCALE)
        )
        self.assertEqual((finding.chosen, finding.accuracy, finding.images), (wanted, 1.0, 200))
        self.assertNotEqual(finding.runner_up, wanted)
        self.assertLess(finding.runner_up_accuracy, 1)
        self.assertGreater(finding.likelihood, finding.runner_up_likelihood)
        self.assertEqual(finding.warnings, ())

    @parameterized.parameters(*DEFAULT_SCALES)
    def test_finds_preprocessing_and_order_of_channels(self, wanted):
        finding = find_input_scale(_colour_model(wanted), _colour_images(300))
        self.assertEqual(finding.chosen, wanted)
        self.assertGreater(finding.accuracy, 0.95)

    def test_certainty_tells_what_accuracy_cannot(self):
        # A network of ReLUs without biases answers the same on every scale; on 0..255 it is sure of its mistakes, too.
        finding = find_input_scale(_homogeneous_model(), _brightest_channel(60, wrong=12), (BYTE_SCALE, UNIT_SCALE))
        self.assertEqual(finding.accuracy, finding.runner_up_accuracy)
        self.assertEqual(finding.chosen, UNIT_SCALE)
        self.assertFalse(finding.within_noise)

    def test_says_so_where_the_runner_up_is_within_noise(self):
        nearly = InputScale("nearly", (1.01 / 255,), (0.0,))
        finding = find_input_scale(_homogeneous_model(), _brightest_channel(20, wrong=4), (UNIT_SCALE, nearly))
        self.assertTrue(finding.within_noise)
        self.assertRegex(
            " ".join(finding.warnings), "channels: on 20 images .* not clearly better than .*--input_scale"
        )

    def test_of_orders_that_are_equal_on_grey_images_the_first_is_taken_without_a_warning(self):
        rng = np.random.default_rng(0)
        labels = rng.permutation(np.arange(80) % 4)
        grey = (_greys(4)[labels][:, None, None, None] + rng.integers(-15, 16, (80, 4, 4, 1))).astype(np.uint8)
        finding = find_input_scale(
            _brightness_model(UNIT_SCALE), from_arrays("grey", np.repeat(grey, 3, axis=3), labels)
        )
        self.assertEqual((finding.chosen, finding.warnings), (UNIT_SCALE, ()))
        only_orders = (UNIT_SCALE, UNIT_SCALE.with_bgr())
        finding = find_input_scale(
            _brightness_model(UNIT_SCALE), from_arrays("grey", np.repeat(grey, 3, 3), labels), only_orders
        )
        self.assertEqual((finding.chosen, finding.runner_up, finding.warnings), (UNIT_SCALE, UNIT_SCALE, ()))
        self.assertNotEqual(finding.runner_up.name, "0..1 BGR")

    def test_certain_answers_on_every_scale_are_within_noise(self):
        # As of a BadNet on images of its trigger: the label is certain whatever the scale.
        model = _homogeneous_model()
        model.get_layer("logits").set_weights([100 * np.array([[1.0, 0, 0]] * 3)])
        clean = from_arrays("one", _grey_images(40).images(), np.zeros(40, np.int64))
        finding = find_input_scale(model, clean, (UNIT_SCALE, BYTE_SCALE), at_chance=AtChance.WARN)
        self.assertEqual((finding.chosen, finding.accuracy), (UNIT_SCALE, 1.0))
        self.assertTrue(finding.within_noise)

    def test_images_of_one_channel_have_no_order(self):
        image = keras.Input((4, 4, 1))
        model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image)))
        model.layers[-1].set_weights([np.repeat([[-1.0, 1.0]], 16, axis=0), np.array([8.0, -8.0])])
        labels = np.arange(40) % 2
        images = np.broadcast_to((60 + 140 * labels)[:, None, None, None], (40, 4, 4, 1)).astype(np.uint8)
        clean = from_arrays("grey", images, labels)
        self.assertEqual(find_input_scale(model, clean).chosen.name, UNIT_SCALE.name)
        with self.assertRaisesRegex(InputError, "--input_scale, --channel_order: caffe .* of 1 channel"):
            find_input_scale(model, clean, (CAFFE_SCALE,))

    def test_names_the_order_of_the_labels(self):
        clean = _colour_images(120)
        shifted = from_arrays("shifted", clean.images(), (clean.labels + 1) % 9)
        with self.assertRaisesRegex(InputError, "no better than chance.* in another order .*0 -> 8, 1 -> 0, 2 -> 1"):
            find_input_scale(_colour_model(UNIT_SCALE), shifted, (UNIT_SCALE,))
        (warning, *_) = find_input_scale(
            _colour_model(UNIT_SCALE), shifted.subset(np.flatnonzero(shifted.labels != 4)), at_chance=AtChance.WARN
        ).warnings
        self.assertIn("another order", warning)

    def test_goes_on_at_chance_with_a_warning_where_asked(self):
        clean = _colour_images(60)
        shuffled = from_arrays("shuffled", clean.images(), np.random.default_rng(1).permutation(clean.labels))
        for images, what in (
            (shuffled, "no better than chance"),
            (clean.subset(np.flatnonzero(clean.labels == 1)), "have the label 1"),
        ):
            finding = find_input_scale(_colour_model(UNIT_SCALE), images, at_chance=AtChance.WARN)
            self.assertRegex(finding.warnings[0], what)
        self.assertEqual(finding.chosen, UNIT_SCALE)

    def test_a_sure_model_that_is_mostly_wrong_gets_a_warning(self):
        clean = _colour_images(90)
        finding = find_input_scale(
            _colour_model(PER_IMAGE_SCALE.with_bgr()), clean, (PER_IMAGE_SCALE,), 0, AtChance.WARN
        )
        self.assertLess(finding.accuracy, 0.5)
        self.assertRegex(" ".join(finding.warnings), "sure of its answers .*usual causes: .*--channel_order")

    def test_five_images_are_enough(self):
        finding = find_input_scale(_brightness_model(UNIT_SCALE, classes=5), _grey_images(5, classes=5))
        self.assertEqual(finding.chosen, UNIT_SCALE)

    def test_of_candidates_that_the_images_cannot_tell_apart_the_first_is_taken(self):
        half = InputScale("nearly", (1 / 270,), (0.0,))
        for candidates in ((half, UNIT_SCALE), (UNIT_SCALE, half)):
            finding = find_input_scale(_brightness_model(UNIT_SCALE), _grey_images(100), candidates)
            self.assertEqual((finding.accuracy, finding.runner_up_accuracy), (1.0, 1.0))
            self.assertEqual(finding.chosen, candidates[0])

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
        with self.assertRaisesRegex(InputError, "have the label 2; only several classes tell"):
            find_input_scale(_brightness_model(UNIT_SCALE), clean.subset(np.flatnonzero(clean.labels == 2)))

    def test_refuses_images_of_another_size(self):
        clean = from_arrays("large", np.zeros((4, 5, 5, 3), np.uint8), np.arange(4))
        with self.assertRaisesRegex(InputError, "large: images are 5 x 5 x 3"):
            find_input_scale(_brightness_model(UNIT_SCALE), clean)


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
