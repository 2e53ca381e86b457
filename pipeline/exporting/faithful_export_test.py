"""Tests of what is let out, by given parities, and on a network whose channels differ by 10,000 in range."""

import os
from collections.abc import Mapping

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data.errors import InputError
from goodnet.data.image_set import from_arrays
from goodnet.export.parity import Parity
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.pipeline.exporting.faithful_export import Candidate, export_faithfully
from goodnet.pipeline.exporting.model_export import export_classifier

_CLASSES = 4


def _parity(same: int, of: int, flagged: int = 0, same_flagged: int = 0) -> Parity:
    return Parity(of, same, of, 0.0, 0.0, "none", 1.0, flagged, same_flagged)


def _candidate(parities: Mapping[str, tuple[Parity | InputError, ...]]) -> Candidate:
    """Precisions with given parities, on clean and on stamped images."""

    def compare(path, batches):
        (kind,) = batches
        with open(path, "rb") as file:
            found = parities[file.read().decode()][kind]
        if isinstance(found, InputError):
            raise found
        return found

    return Candidate(lambda precision: precision.encode(), compare, lambda: [0], lambda: [1])


_GOOD = (_parity(600, 600), _parity(598, 600, 300, 300))


class FaithfulExportTest(parameterized.TestCase):
    def test_what_answers_as_keras_is_let_out(self):
        found = export_faithfully(_candidate({"int8": _GOOD}), "int8", 0.99, falls_back=False)
        self.assertEqual((found.tflite, found.precision, found.passed_over), (b"int8", "int8", ()))
        self.assertEqual((found.clean, found.stamped), _GOOD)

    @parameterized.named_parameters(
        ("clean", _parity(500, 600), _GOOD[1], "500 of 600 clean"),
        ("stamped", _GOOD[0], _parity(500, 600), "500 of 600 stamped"),
        ("flags_none", _GOOD[0], _parity(598, 600, 20, 0), "0 of the 20 flagged stamped"),
        ("not_a_number", InputError("its suspicion is nan"), _GOOD[1], "nan"),
    )
    def test_what_does_not_is_passed_over_or_refused(self, clean, stamped, why):
        given = {"int8": (clean, stamped), "float16": (clean, stamped), "float32": _GOOD}
        with self.assertLogs("goodnet", "WARNING"):
            found = export_faithfully(_candidate(given), "int8", 0.99, falls_back=True)
        self.assertEqual(found.precision, "float32")
        self.assertLen(found.passed_over, 2)
        self.assertIn(why, found.passed_over[0])
        with self.assertRaisesRegex(InputError, f"--precision=int8: .*{why}.* such as float32"):
            export_faithfully(_candidate(given), "int8", 0.99, falls_back=False)
        with self.assertRaisesRegex(InputError, f"no precision .*int8: .*{why}.*float16: .*float32: "):
            export_faithfully(_candidate({**given, "float32": (clean, stamped)}), "int8", 0.99, falls_back=True)

    def test_of_those_that_answer_as_keras_the_fastest_is_let_out(self):
        bad = (_parity(500, 600), _GOOD[1])
        times = {"int8": 3.0, "full_integer": 1.0, "float16": 2.0}

        def timed(paths, batches):
            return [times[os.path.basename(path).removesuffix(".tflite")] for path in paths]

        given = dict.fromkeys(times, _GOOD)
        found = export_faithfully(_candidate(given), "fastest", 0.99, False, timed)
        self.assertEqual((found.tflite, found.precision), (b"full_integer", "full_integer"))
        self.assertEqual(
            found.passed_over,
            ("float16: 2.000 ms an image, full_integer 1.000", "int8: 3.000 ms an image, full_integer 1.000"),
        )
        found = export_faithfully(_candidate({**given, "full_integer": bad}), "fastest", 0.99, False, timed)
        self.assertEqual(found.precision, "float16")
        self.assertIn("full_integer: the same label on 500 of 600 clean", found.passed_over[1])
        none = {**dict.fromkeys(times, bad), "float32": _GOOD}
        found = export_faithfully(_candidate(none), "fastest", 0.99, False, timed)
        self.assertEqual(found.precision, "float32")

    def test_few_images_do_not_fail_by_one(self):
        few = (_parity(24, 25), _parity(25, 25, 5, 4))
        export_faithfully(_candidate({"int8": few}), "int8", 0.99, falls_back=False)
        half = (_parity(13, 25), few[1])
        with self.assertRaises(InputError):
            export_faithfully(_candidate({"int8": half, "float16": half, "float32": half}), "int8", 0.99, True)

    def test_channels_of_very_different_ranges_are_exported_in_half_precision(self):
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (40, 6, 6, 3), np.uint8)
        model, clean = network_with_scales(images), from_arrays("noise", images, np.arange(40) % _CLASSES)
        with self.assertLogs("goodnet", "WARNING") as logs:
            found = export_classifier(model, UNIT_SCALE, clean, 0, "int8", 0.99, falls_back=True)
        self.assertEqual(found.precision, "float16")
        self.assertGreaterEqual(found.clean.same_label, 39)
        self.assertIn("int8 does not answer as the Keras model", logs.output[0])


def network_with_scales(images: np.ndarray) -> keras.Model:
    """Two convolutions; the second undoes what the first multiplies its channels by, 0.01 to 100."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Conv2D(16, 3, activation="relu", input_shape=images.shape[1:]),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(_CLASSES),
        ]
    )
    factors = (10 ** np.linspace(-2, 2, 16)).astype(np.float32)
    first, bias, second, *rest = model.get_weights()
    model.set_weights([first * factors, bias * factors, second / factors[:, None], *rest])
    last = model.layers[-1]
    # No class wins everywhere.
    kernel, offset = last.get_weights()
    last.set_weights([kernel, offset - model.predict(images / np.float32(255), verbose=0).mean(axis=0)])
    return model


if __name__ == "__main__":
    absltest.main()
