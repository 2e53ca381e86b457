import os

import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.export.conversion import convert_detector
from goodnet.export.parity import milliseconds
from goodnet.export.runtime import RUNTIMES
from testing.device_case import case_detector, case_images


class InterleavedTest(absltest.TestCase):
    def test_each_file_gets_its_time(self):
        folder = self.create_tempdir().full_path
        paths = [os.path.join(folder, f"{name}.tflite") for name in ("first", "second")]
        for path, precision in zip(paths, ("float32", "float16"), strict=True):
            with open(path, "wb") as file:
                file.write(convert_detector(case_detector(), precision=precision))
        images = np.stack([image for image, _ in case_images().values()])
        for runtime in RUNTIMES:
            found = milliseconds(paths, images, runtime)
            self.assertLen(found, 2)
            self.assertGreater(min(found), 0)

    def test_a_file_that_does_not_run_is_named(self):
        path = os.path.join(self.create_tempdir().full_path, "broken.tflite")
        with open(path, "wb") as file:
            file.write(b"no file")
        with self.assertRaisesRegex(InputError, "broken.tflite: not a TFLite file"):
            milliseconds([path], np.zeros((1, 8, 8, 3), np.uint8))


if __name__ == "__main__":
    absltest.main()
