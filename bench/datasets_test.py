import os

import numpy as np
from absl.testing import absltest

from bench.datasets import Files, clean_file, dataset_files, draw_evenly
from goodnet.data.errors import InputError
from goodnet.data.hdf5 import read_hdf5, write_hdf5
from goodnet.data.image_set import ImageSet, from_arrays


def _images(sizes: tuple[int, ...], seed: int = 0) -> ImageSet:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return from_arrays("made up", rng.integers(0, 256, (len(labels), 4, 4, 3), dtype=np.uint8), labels)


class DrawTest(absltest.TestCase):
    def test_every_class_gets_its_share_to_within_one(self):
        images = _images((100, 37, 8, 5))
        for count in (10, 30, 75, 150):
            drawn = draw_evenly(images, count, seed=3)
            self.assertLen(np.unique(drawn), count)
            exact = np.array([100, 37, 8, 5]) * count / 150
            self.assertLess(np.abs(np.bincount(images.labels[drawn], minlength=4) - exact).max(), 1.5)

    def test_the_seed_decides(self):
        images = _images((50, 50))
        first, again, other = (draw_evenly(images, 20, seed) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        self.assertFalse(np.array_equal(first, other))

    def test_no_more_than_there_are(self):
        for count in (0, 11):
            with self.assertRaisesRegex(InputError, "made up: 10 images; expected at least"):
                draw_evenly(_images((5, 5)), count, 0)


class FilesTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path

    def _gtsrb(self) -> Files:
        os.makedirs(os.path.join(self.folder, "gtsrb"))
        for seed, (name, each) in enumerate((("train", 200), ("clean_validation", 40), ("clean_test", 9))):
            write_hdf5(os.path.join(self.folder, "gtsrb", f"{name}.h5"), _images((each, each), seed))
        return dataset_files("gtsrb", 0, "not used", self.folder)

    def test_clean_data_is_a_share_of_the_training_sets_size_from_the_validation_file(self):
        files = self._gtsrb()
        path = clean_file(files, 5, seed=0, folder=os.path.join(self.folder, "drawn"))
        drawn, validation = read_hdf5(path), read_hdf5(files.validation).images()
        self.assertLen(drawn, 20)
        for image in drawn.images():
            self.assertTrue((image == validation).all(axis=(1, 2, 3)).any())
        self.assertEqual(clean_file(files, 5, seed=0, folder=os.path.join(self.folder, "drawn")), path)
        self.assertEqual(clean_file(files, None, 0, self.folder), files.validation)

    def test_missing_gtsrb(self):
        with self.assertRaisesRegex(InputError, "--data_dir: missing"):
            dataset_files("gtsrb", 0, self.folder, None)
        with self.assertRaisesRegex(InputError, "no gtsrb/train.h5"):
            dataset_files("gtsrb", 0, self.folder, self.folder)


if __name__ == "__main__":
    absltest.main()
