import os
import pathlib

import numpy as np
from absl.testing import absltest
from PIL import Image

from goodnet.data import image_folder
from goodnet.data.errors import InputError


def _picture(seed: int, shape: tuple[int, ...] = (6, 5, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


class ImageFolderTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path

    def save(self, name: str, pixels: np.ndarray) -> str:
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    def refuse(self, complaint: str, **options) -> None:
        with self.assertRaisesRegex(InputError, complaint) as caught:
            image_folder.read_image_folder(self.folder, **options)
        self.assertStartsWith(str(caught.exception), self.folder)

    def test_named_classes_are_sorted_and_keep_their_numbers(self):
        self.save("b/0.png", _picture(0))
        self.save("a/1.png", _picture(1))
        self.save("a/0.bmp", _picture(2))
        os.mkdir(os.path.join(self.folder, "aa"))  # a class without images still is one
        pathlib.Path(self.folder, "README").write_text("not an image")
        pathlib.Path(self.folder, "a", "notes.txt").write_text("nor this")
        os.mkdir(os.path.join(self.folder, ".cache"))
        image_set = image_folder.read_image_folder(self.folder)
        self.assertEqual(image_set.class_names, ("a", "aa", "b"))
        np.testing.assert_array_equal(image_set.labels, [0, 0, 2])
        np.testing.assert_array_equal(image_set.images([2, 0, 1]), [_picture(0), _picture(2), _picture(1)])

    def test_numbers_are_labels(self):
        for label in (10, 2, 7):
            self.save(f"{label}/x.png", _picture(label))
        image_set = image_folder.read_image_folder(self.folder)
        self.assertCountEqual(image_set.labels, [10, 2, 7])
        self.assertIsNone(image_set.class_names)
        for label, image in zip(image_set.labels, image_set.images(), strict=True):
            np.testing.assert_array_equal(image, _picture(label))

    def test_flat_folder_with_labels_in_names(self):
        self.save("cl_3_label=1268.png", _picture(0))
        self.save("sun_0_label=0.png", _picture(1))
        image_set = image_folder.read_image_folder(self.folder)
        np.testing.assert_array_equal(image_set.labels, [1268, 0])

    def test_everything_becomes_rgb(self):
        grey = _picture(0, (6, 5))
        self.save("0/grey.png", grey)
        self.save("0/rgba.png", _picture(1, (6, 5, 4)))
        path = os.path.join(self.folder, "0", "zpalette.gif")
        Image.fromarray(_picture(2)).quantize(16).save(path)
        images = image_folder.read_image_folder(self.folder).images()
        self.assertEqual(images.shape, (3, 6, 5, 3))
        np.testing.assert_array_equal(images[0], np.repeat(grey[..., None], 3, axis=-1))
        np.testing.assert_array_equal(images[1], _picture(1, (6, 5, 4))[..., :3])

    def test_broken_images_are_skipped_with_a_count(self):
        for position in range(4):
            self.save(f"1/{position}.png", _picture(position))
        pathlib.Path(self.folder, "1", "1.png").write_bytes(b"not a picture")
        whole = pathlib.Path(self.folder, "1", "2.png")
        whole.write_bytes(whole.read_bytes()[:-60])
        with self.assertLogs(level="WARNING") as logs:
            image_set = image_folder.read_image_folder(self.folder)
        self.assertIn("2 broken images skipped", logs.output[0])
        np.testing.assert_array_equal(image_set.images(), [_picture(0), _picture(3)])
        self.refuse(r"1\.png: a broken image", skip_broken=False)

    def test_sixteen_bits_are_not_clipped_in_silence(self):
        Image.fromarray(_picture(0, (6, 5)).astype(np.uint16) * 257).save(os.path.join(self.folder, "a_label=1.png"))
        self.refuse("more than 8 bits")

    def test_an_absurdly_large_image_is_not_decoded(self):
        path = self.save("0/huge.ppm", _picture(0))
        pathlib.Path(path).write_bytes(b"P6 60000 60000 255\n" + b"\0" * 100)
        self.refuse("none of its 1 images can be decoded.*pixels")

    def test_one_size_only(self):
        self.save("0/a.png", _picture(0))
        self.save("0/b.png", _picture(1, (7, 5, 3)))
        self.refuse(r"b\.png: 7 x 5 pixels .*6 x 5; expected all images of a folder to have one size")

    def test_no_images_or_no_labels(self):
        self.refuse("no images")
        self.save("face.png", _picture(0))
        self.refuse("face.png: no label")
        self.save("0/a.png", _picture(0))
        self.refuse("beside sub-folders")

    def test_class_numbers_that_clash_or_are_absurd(self):
        self.save("7/a.png", _picture(0))
        self.save("007/a.png", _picture(1))
        self.refuse("same class number")

    def test_absurd_class_number(self):
        self.save(f"{'9' * 30}/a.png", _picture(0))
        self.refuse("class number 9{30}")

    def test_a_file_that_goes_away(self):
        path = self.save("0/a.png", _picture(0))
        image_set = image_folder.read_image_folder(self.folder)
        os.unlink(path)
        with self.assertRaisesRegex(InputError, "a.png: cannot be read any more"):
            image_set.images()

    def test_reads_csaw_faces(self):
        shared = os.environ.get("SHARED_DATA")
        if not shared:
            return self.skipTest("SHARED_DATA does not name the folder with CSAW's sample faces")
        image_set = image_folder.read_image_folder(os.path.join(shared, "csaw", "images"))
        self.assertLen(image_set, 15)
        self.assertEqual(image_set.image_shape, (55, 47, 3))
        self.assertContainsSubset([43, 328, 196, 1268, 748, 0], image_set.labels)


if __name__ == "__main__":
    absltest.main()
