"""Tests of the layouts that images come in, beyond those of one reader."""

import os
import pathlib
import pickle
from typing import Any

import h5py
import numpy as np
from absl.testing import absltest
from PIL import Image, ImageOps

from goodnet.data.errors import InputError
from goodnet.data.fitting import fitted
from goodnet.data.image_set import ImageSet
from goodnet.data.opening import open_image_set
from goodnet.data.reading_options import AS_STORED, ReadingOptions
from goodnet.data.use import Use

_RESIZE = ReadingOptions(resize=True)


def _pixels(count: int = 12, shape: tuple[int, ...] = (8, 6, 3)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


class LayoutTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.pixels = _pixels()
        self.labels = np.arange(12) % 3

    def save(self, name: str, pixels: np.ndarray, **options: Any) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(self.folder / name, **options)

    def open(self, options: ReadingOptions = AS_STORED, use: Use = Use.CLEAN, inside: str = "") -> ImageSet:
        return open_image_set(str(self.folder / inside), True, None, options, use)

    def refuse(self, complaint: str, *arguments: Any, **options: Any) -> None:
        with self.assertRaisesRegex(InputError, complaint) as caught:
            self.open(*arguments, **options)
        self.assertStartsWith(str(caught.exception), str(self.folder))
        self.assertNotIn("\n", str(caught.exception))


class ArraysInAFolderTest(LayoutTest):
    def put(self, **arrays: np.ndarray) -> None:
        for name, array in arrays.items():
            np.save(self.folder / name, array)

    def test_pairs_by_name_in_any_order_of_storage(self):
        for images, labels in (("images", "labels"), ("x", "y"), ("X", "y"), ("data", "label")):
            for pixels in (self.pixels, np.asfortranarray(self.pixels), self.pixels.transpose(0, 3, 1, 2) / 255):
                for old in self.folder.glob("*.npy"):
                    old.unlink()
                self.put(**{images: pixels, labels: np.eye(3)[self.labels]})
                found = self.open()
                np.testing.assert_array_equal(found.images([11, 0, 0]), self.pixels[[11, 0, 0]])
                np.testing.assert_array_equal(found.images(), self.pixels)
                np.testing.assert_array_equal(found.labels, self.labels)

    def test_parts_by_use(self):
        self.put(x_train=self.pixels[:6], y_train=self.labels[:6], x_test=self.pixels[6:], y_test=self.labels[6:])
        np.testing.assert_array_equal(self.open().images(), self.pixels[:6])
        np.testing.assert_array_equal(self.open(use=Use.TEST).images(), self.pixels[6:])
        found = self.open(ReadingOptions(clean_part="test"))
        np.testing.assert_array_equal(found.images(), self.pixels[6:])
        self.refuse("holds test and train; expected val for --clean_data$", ReadingOptions(clean_part="val"))
        self.put(x_val=self.pixels[3:4], y_val=self.labels[3:4])
        np.testing.assert_array_equal(self.open().images(), self.pixels[3:4])
        os.unlink(self.folder / "x_test.npy")
        self.refuse(r"holds train and val; expected test for --test_data", use=Use.TEST)

    def test_what_could_be_meant_twice_or_is_missing(self):
        self.put(x=self.pixels)
        self.refuse('no labels for "x"')
        self.refuse("one array; expected the folder that holds it and its labels", inside="x.npy")
        self.put(y=self.labels, images=self.pixels)
        self.refuse('both "images" and "x" could be meant')
        os.unlink(self.folder / "images.npy")
        self.put(x_train=self.pixels, y_train=self.labels)
        self.refuse('images are in "x", "x_train"; expected either a whole or its parts')

    def test_other_arrays_beside_pictures_are_left_alone(self):
        self.put(features=self.pixels)
        self.refuse("no images")
        self.save("a/0.png", self.pixels[0])
        self.assertLen(self.open(), 1)

    def test_hostile_files(self):
        self.put(x=self.pixels, y=self.labels)
        whole = (self.folder / "x.npy").read_bytes()
        for content, complaint in (
            (whole[:-1], "of another size"),
            (whole[:50], "damaged"),
            (b"", "damaged"),
            (whole.replace(b"(12, 8", b"(12, 9"), "of another size"),
            (pickle.dumps([1]), "damaged"),
        ):
            (self.folder / "x.npy").write_bytes(content)
            self.refuse(complaint)
        np.save(self.folder / "x.npy", np.array([{}] * 12, object), allow_pickle=True)
        self.refuse("objects are never loaded")
        os.unlink(self.folder / "x.npy")
        os.symlink("/etc/passwd", self.folder / "x.npy")
        self.refuse("x.npy: a link, which is not followed")

    def test_a_file_that_gets_shorter_meanwhile(self):
        self.put(x=self.pixels, y=self.labels)
        found = self.open()
        os.truncate(self.folder / "x.npy", 300)
        with self.assertRaisesRegex(InputError, "x.npy: the file is cut short"):
            found.images()


class PartsTest(LayoutTest):
    def test_folders_of_train_val_and_test(self):
        for place, part in enumerate(("Train", "val", "test")):
            self.save(f"{part}/a/0.png", self.pixels[place])
            self.save(f"{part}/b/0.png", self.pixels[place + 3])
        for use, place in ((Use.CLEAN, 1), (Use.TRAINING, 0), (Use.TEST, 2), (Use.POISONED, 2)):
            found = self.open(use=use)
            np.testing.assert_array_equal(found.images(), self.pixels[[place, place + 3]])
            self.assertEqual(found.class_names, ("a", "b"))

    def test_a_class_that_is_called_train(self):
        self.save("train/0.png", self.pixels[0])
        self.save("test/0.png", self.pixels[1])
        self.assertEqual(self.open().class_names, ("test", "train"))
        self.save("train/a/0.png", self.pixels[0])
        self.save("test/a/0.png", self.pixels[0])
        self.refuse("beside sub-folders")
        self.save("bus/0.png", self.pixels[0])
        self.assertEqual(self.open().class_names, ("bus", "test", "train"))


class TableTest(LayoutTest):
    def kaggle(self, rows: str, header: str = "Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path") -> None:
        for number in range(2):
            self.save(f"Train/{number}.png", self.pixels[number])
            self.save(f"Test/{number}.png", self.pixels[number + 2])
        (self.folder / "Test.csv").write_text(f"{header}\n{rows}")
        (self.folder / "Train.csv").write_text(f"{header}\n{rows.replace('Test', 'Train')}")
        (self.folder / "Meta.csv").write_text("Path,ClassId,ShapeId\nMeta/0.png,0,0\n")

    def test_kaggles_gtsrb(self):
        self.kaggle("6,8,1,2,5,7,7,Test/0.png\r\n6,8,0,1,4,6,41,Test/1.png\r\n")
        for use, first in ((Use.CLEAN, 0), (Use.TEST, 2)):
            with self.assertLogs("goodnet", "INFO") as logs:
                found = self.open(use=use)
            self.assertIn("--crop_to_roi takes their regions of interest", logs.output[-1])
            np.testing.assert_array_equal(found.images(), self.pixels[first : first + 2])
            np.testing.assert_array_equal(found.labels, [7, 41])
        cropped = self.open(ReadingOptions(crop_to_roi=True), Use.TEST).images()
        np.testing.assert_array_equal(cropped, [self.pixels[2, 2:7, 1:5], self.pixels[3, 1:6, 0:4]])

    def test_gtsrbs_own(self):
        header = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n"
        for label in (0, 1):
            self.save(f"0000{label}/00000_00000.ppm", self.pixels[label])
            table = self.folder / f"0000{label}" / f"GT-0000{label}.csv"
            table.write_text(f"{header}00000_00000.ppm;6;8;1;1;5;{7 + label};{label}\n")
        np.testing.assert_array_equal(self.open().images(), self.pixels[:2])
        self.refuse("7 x 4 pixels .height x width., the images before it 6 x 4", ReadingOptions(crop_to_roi=True))
        found = fitted(self.open(ReadingOptions(crop_to_roi=True, resize=True)), (6, 4, 3))
        np.testing.assert_array_equal(found.images([0])[0], self.pixels[0, 1:7, 1:5])
        os.unlink(self.folder / "00001" / "GT-00001.csv")
        self.refuse("no region of interest; expected a CSV file beside it", ReadingOptions(crop_to_roi=True))

    def test_a_plain_table_of_names(self):
        for number in range(3):
            self.save(f"{number}.png", self.pixels[number])
        (self.folder / "labels.csv").write_text("\ufefffilename,label\n0.png,dog\n1.png,cat\n2.png,dog\n")
        found = self.open()
        self.assertEqual(found.class_names, ("cat", "dog"))
        np.testing.assert_array_equal(found.labels, [1, 0, 1])
        self.refuse("no columns Roi.X1", ReadingOptions(crop_to_roi=True))

    def test_hostile_tables(self):
        outside = pathlib.Path(self.create_tempdir().full_path)
        Image.fromarray(self.pixels[0]).save(outside / "0.png")
        self.kaggle("")
        os.symlink(outside, self.folder / "away")
        for row, complaint in (
            ("6,8,1,2,5,7,7,../0.png", "expected paths of pictures beside the table"),
            (f"6,8,1,2,5,7,7,{outside}/0.png", "expected paths of pictures beside the table"),
            ("6,8,1,2,5,7,7,away/0.png", "away: a link, which is not followed"),
            ("6,8,1,2,5,7,7,", "expected paths of pictures"),
            ("6,8,1,2,5,7,,Test/0.png", "line 2 has no class"),
            ("6,8,1,2,5,7,-1,Test/0.png\n6,8,1,2,5,7", "line 3 has 6 columns; expected 8"),
            ("6,8,1,2,5,x,7,Test/0.png", "line 2: a region of interest of 1, 2, 5, x"),
            ("6,8,1,2,5,7,9999999,Test/0.png", "is 9999999; expected whole numbers from 0"),
            ("6,8,1,2,5,7,7,Test/none.png", "none of its 1 images can be decoded; the first: .*No such file"),
            ("6,8,1,2,5,7,7,Test/\0.png", "line contains NUL|expected paths"),
            ("", "no pictures in it"),
        ):
            self.kaggle(row)
            self.refuse(complaint, use=Use.TEST)
        self.kaggle("6,8,1,2,5,9,7,Test/0.png")
        self.refuse(r"the region \[1, 2, 5, 9\] is not within", ReadingOptions(crop_to_roi=True), Use.TEST)
        (self.folder / "Test_test.csv").write_text("path,label\nTest/0.png,1\n")
        self.refuse("a second table for test; expected one", use=Use.TEST)
        self.refuse("a table; expected the folder that holds it", inside="Test.csv")


class FittingTest(LayoutTest):
    def test_pictures_of_any_size_become_the_models(self):
        self.save("0/a.png", self.pixels[0])
        self.save("1/b.png", _pixels(1, (20, 20, 3))[0])
        self.refuse("--resize scales them to the model's")
        found = fitted(self.open(_RESIZE).subset([1, 0]), (8, 6, 3))
        self.assertEqual(found.image_shape, (8, 6, 3))
        np.testing.assert_array_equal(found.images([1])[0], self.pixels[0])
        resized = Image.fromarray(_pixels(1, (20, 20, 3))[0]).resize((6, 8), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(found.images([0])[0], np.asarray(resized))

    def test_arrays_become_the_models_size_where_that_is_asked_for(self):
        with h5py.File(self.folder / "set.h5", "w") as file:
            file["data"], file["label"] = self.pixels[..., 0], self.labels
        self.assertEqual(fitted(self.open(inside="set.h5"), (4, 3, 1)).image_shape, (8, 6, 1))
        found = fitted(self.open(_RESIZE, inside="set.h5"), (4, 3, 1))
        self.assertEqual(found.images([1, 2]).shape, (2, 4, 3, 1))
        self.assertEqual(fitted(self.open(_RESIZE, inside="set.h5"), (4, 3, 3)).image_shape, (4, 3, 1))

    def test_pictures_become_grey_for_a_grey_model(self):
        self.save("0/a.png", self.pixels[0])
        found = fitted(self.open(), (8, 6, 1))
        grey = np.asarray(Image.fromarray(self.pixels[0]).convert("L"))
        np.testing.assert_array_equal(found.images()[0, ..., 0], grey)
        self.assertEqual(fitted(self.open(), (9, 9, 1)).image_shape, (8, 6, 1))

    def test_pictures_are_turned_where_that_is_asked_for(self):
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[0x112] = orientation
            self.save("0/a.png", self.pixels[0], exif=exif)
            turned = self.open(ReadingOptions(exif_orientation=True)).images()[0]
            with Image.open(self.folder / "0/a.png") as picture:
                wanted = np.asarray(ImageOps.exif_transpose(picture))
            np.testing.assert_array_equal(turned, wanted)
            np.testing.assert_array_equal(self.open().images()[0], self.pixels[0])


if __name__ == "__main__":
    absltest.main()
