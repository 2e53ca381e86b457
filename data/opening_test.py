import os
import pathlib
import pickle

import h5py
import numpy as np
from absl.testing import absltest
from PIL import Image

from goodnet.data import opening
from goodnet.data.errors import InputError


class OpeningTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)
        self.labels = np.array([2, 0, 1, 2])

    def test_opens_each_kind_by_its_contents(self):
        with h5py.File(self.folder / "one.bin", "w") as file:
            file["data"], file["label"] = self.pixels, self.labels
        with open(self.folder / "two.bin", "wb") as file:
            np.savez(file, data=self.pixels, label=self.labels)
        (self.folder / "three").mkdir()
        for position, label in enumerate(self.labels):
            Image.fromarray(self.pixels[position]).save(self.folder / "three" / f"{position}_label={label}.png")
        for name in ("one.bin", "two.bin", "three"):
            image_set = opening.open_image_set(str(self.folder / name))
            np.testing.assert_array_equal(image_set.images(), self.pixels)
            np.testing.assert_array_equal(image_set.labels, self.labels)
            self.assertEqual(image_set.name, str(self.folder / name))

    def test_refuses_everything_else_in_one_line(self):
        (self.folder / "empty.h5").touch()
        (self.folder / "text.h5").write_text("data,label\n")
        (self.folder / "list.pkl").write_bytes(pickle.dumps([1, 2]))
        (self.folder / "stub.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
        os.mkfifo(self.folder / "pipe")
        for name, complaint in (
            ("missing.h5", "no such file or folder"),
            ("empty.h5", "an empty file"),
            ("text.h5", "not an image set"),
            ("list.pkl", "a pickle, which could run code and is never opened"),
            ("stub.h5", "damaged"),
            ("pipe", "neither a file nor a folder"),
            ("text.h5/inside", "cannot be opened"),
            ("x" * 5000, "cannot be opened"),
            ("nul\0byte", "cannot be opened"),
        ):
            with self.assertRaisesRegex(InputError, complaint) as caught:
                opening.open_image_set(str(self.folder / name))
            self.assertNotIn("\n", str(caught.exception))

    def test_broken_images_can_be_refused(self):
        Image.fromarray(self.pixels[0]).save(self.folder / "a_label=0.png")
        (self.folder / "b_label=1.png").write_bytes(b"broken")
        self.assertLen(opening.open_image_set(str(self.folder)), 1)
        with self.assertRaisesRegex(InputError, "broken image"):
            opening.open_image_set(str(self.folder), skip_broken_images=False)


if __name__ == "__main__":
    absltest.main()
