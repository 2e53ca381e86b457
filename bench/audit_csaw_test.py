"""Tests of reading the clean faces by their names."""

import os
import subprocess
import sys

import numpy as np
from absl.testing import absltest
from PIL import Image

from bench.audit_csaw import clean_faces
from data.errors import InputError


class CleanFacesTest(absltest.TestCase):
    def test_only_clean_ones_with_their_labels(self):
        folder = self.create_tempdir().full_path
        for number, name in enumerate(("cl_1_label=328.png", "cl_0_label=43.png", "sun_0_label=0.png")):
            Image.fromarray(np.full((6, 5, 3), number, np.uint8)).save(os.path.join(folder, name))
        faces = clean_faces(folder)
        self.assertEqual(faces.labels.tolist(), [43, 328])
        self.assertEqual(faces.images()[:, 0, 0, 0].tolist(), [1, 0])

    def test_none_is_an_error(self):
        with self.assertRaisesRegex(InputError, "no cl_"):
            clean_faces(self.create_tempdir().full_path)

    def test_no_folder_is_one_line_that_names_the_flag(self):
        command = (sys.executable, "-m", "bench.audit_csaw", "--csaw_dir=/nonexistent")
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("error: --csaw_dir: /nonexistent/images: not found", ended.stderr)
        self.assertNotIn("Traceback", ended.stderr)


if __name__ == "__main__":
    absltest.main()
