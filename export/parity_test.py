import os
import tempfile

import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.export.conversion import convert_detector
from goodnet.export.parity import check_parity
from goodnet.models.detector import build_detector, take_apart
from goodnet.models.input_scale import UNIT_SCALE
from testing.device_case import case_detector

_SHAPE = (8, 8, 3)


class ParityTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.detector = case_detector()
        cls.path = os.path.join(cls.folder, "detector.tflite")
        with open(cls.path, "wb") as file:
            file.write(convert_detector(cls.detector, precision="float32"))
        cls.images = np.random.default_rng(0).integers(0, 256, (300, *_SHAPE), np.uint8)
        cls.images[::3, -2:, -2:] = 255

    def test_one_file_agrees_with_its_own_model(self):
        parity = check_parity(self.detector, self.path, self.images)
        self.assertEqual((parity.images, parity.same_label, parity.same_claimed), (300, 300, 300))
        self.assertEqual(parity.label_share, 1)
        self.assertLess(parity.max_difference, 1e-5)
        self.assertIn("300 of 300 images (100.00%)", str(parity))
        self.assertNotIn("\n", str(parity))

    def test_batches_of_any_size_give_the_same(self):
        batches = (self.images[start : start + 7] for start in range(0, 300, 7))
        parity = check_parity(self.detector, self.path, batches)
        self.assertEqual((parity.images, parity.same_label), (300, 300))

    def test_another_model_is_noticed(self):
        parts = take_apart(self.detector)
        others = build_detector(parts.repaired, parts.repaired, UNIT_SCALE, 0.0)
        expected = {}
        for name, model in (("file", self.detector), ("other", others)):
            scores = model.predict(self.images.astype(np.float32), verbose=0)
            expected[name] = scores.argmax(1)
        score = {
            name: take_apart(model).scorer.predict(self.images.astype(np.float32), verbose=0)
            for name, model in (("file", self.detector), ("other", others))
        }
        parity = check_parity(others, self.path, self.images)
        self.assertEqual(parity.same_label, np.sum(expected["file"] == expected["other"]))
        self.assertLess(parity.same_label, 300)
        self.assertEqual(parity.same_claimed, np.sum(score["file"][0] == score["other"][0]))
        difference = np.abs(score["file"][2] - score["other"][2])
        self.assertAlmostEqual(parity.max_difference, difference.max(), places=4)
        self.assertAlmostEqual(parity.mean_difference, difference.mean(), places=4)

    def test_errors_are_one_line(self):
        broken = os.path.join(self.folder, "broken.tflite")
        with open(broken, "wb") as file:
            file.write(b"\x1c\0\0\0TFL3" + b"\xff" * 100)
        for path, images, expected in (
            (self.path, self.images[:0], "no images"),
            (self.path, self.images[:, :4], "expected uint8"),
            (self.path, self.images.astype(np.float32), "expected uint8"),
            (broken, self.images, "broken.tflite"),
            (os.path.join(self.folder, "none.tflite"), self.images, "No such file"),
        ):
            with self.assertRaisesRegex(InputError, expected) as caught:
                check_parity(self.detector, path, images)
            self.assertNotIn("\n", str(caught.exception))


if __name__ == "__main__":
    absltest.main()
