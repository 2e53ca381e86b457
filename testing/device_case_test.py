import subprocess
import sys
import tempfile

import numpy as np
from absl.testing import absltest

from testing import device_case


def run_check(*arguments):
    command = [sys.executable, "-m", "testing.device_check", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


class DeviceCaseTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        device_case.write_case(cls.folder)

    def test_the_keras_detector_gives_the_known_answers(self):
        images, labels = zip(*device_case.case_images().values(), strict=True)
        scores = device_case.case_detector().predict(np.stack(images).astype(np.float32), verbose=0)
        self.assertEqual(scores.argmax(axis=1).tolist(), list(labels))

    def test_the_runtime_gives_the_known_answers(self):
        result = run_check(self.folder, "--beside_tensorflow")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"{len(device_case.case_images())} answers right", result.stdout)

    def test_a_wrong_answer_fails_the_check(self):
        with tempfile.TemporaryDirectory() as folder:
            device_case.write_case(folder)
            red, _ = device_case.case_images()["0-red"]
            device_case.Image.fromarray(red).save(f"{folder}/1-not-green.png")
            result = run_check(folder, "--beside_tensorflow")
        self.assertEqual(result.returncode, 1)
        self.assertIn("1-not-green.png", result.stderr)

    def test_an_environment_with_tensorflow_is_no_device(self):
        result = run_check(self.folder)
        self.assertEqual(result.returncode, 1)
        self.assertIn("tensorflow", result.stderr)


if __name__ == "__main__":
    absltest.main()
