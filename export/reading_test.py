import io
import os
import struct
import zlib
from typing import Any

import h5py
import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from goodnet.export.reading import ImageReader, NamedImage, Unreadable

_SHAPE = (6, 4, 3)


def _read(path: str, image_shape=_SHAPE, resize: bool = False) -> list[Any]:
    return list(ImageReader(image_shape, resize).read(path))


def _pixels(count: int, shape=_SHAPE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


class ReadingTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path

    def _path(self, *names: str) -> str:
        path = os.path.join(self.folder, *names)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def _set(self, data, name: str = "set.h5") -> str:
        path = self._path(name)
        with h5py.File(path, "w") as file:
            file["data"] = data
        return path

    def _check_refused(self, path: str, expected: str, **options):
        found = _read(path, _SHAPE, **options)
        self.assertLen(found, 1)
        self.assertIsInstance(found[0], Unreadable)
        self.assertRegex(found[0].reason, expected)
        self.assertNotIn("\n", found[0].reason)

    def test_folder_in_order_at_any_depth(self):
        images = _pixels(3)
        for name, image in zip(("b.png", "a/z.PNG", "a/c/y.bmp"), images, strict=True):
            Image.fromarray(image).save(self._path("all", name))
        with open(self._path("all", "notes.txt"), "w") as file:
            file.write("no image")
        found = _read(self._path("all"), _SHAPE)
        names = [os.path.relpath(image.path, self._path("all")) for image in found]
        self.assertEqual(names, ["b.png", "a/z.PNG", "a/c/y.bmp"])
        for image, expected in zip(found, images, strict=True):
            np.testing.assert_array_equal(image.pixels, expected)

    @parameterized.parameters("RGBA", "P", "L", "CMYK", "1")
    def test_any_mode_becomes_what_is_wanted(self, mode):
        picture = Image.fromarray(_pixels(1)[0]).convert(mode)
        path = self._path(f"{mode}.tif")
        picture.save(path)
        (rgb,) = _read(path, _SHAPE)
        np.testing.assert_array_equal(rgb.pixels, np.asarray(picture.convert("RGB")))
        (grey,) = _read(path, (6, 4, 1))
        np.testing.assert_array_equal(grey.pixels[:, :, 0], np.asarray(picture.convert("L")))

    @parameterized.product(first=(True, False), dtype=(np.uint8, np.float32, np.int64))
    def test_sets_of_either_layout(self, first, dtype):
        images = _pixels(70)
        data = images.transpose(0, 3, 1, 2) if first else images
        path = self._set(data.astype(dtype))
        found = _read(path, _SHAPE)
        self.assertEqual([image.path for image in found], [f"{path}[{index}]" for index in range(70)])
        np.testing.assert_array_equal(np.stack([image.pixels for image in found]), images)

    def test_a_set_is_known_by_its_contents(self):
        path = self._set(_pixels(2), "set.data")
        self.assertLen(_read(path, _SHAPE), 2)

    def test_another_size(self):
        path = self._path("large.png")
        Image.fromarray(_pixels(1, (12, 8, 3))[0]).save(path)
        self._check_refused(path, "12 x 8 pixels; expected 6 x 4 .--resize")
        (image,) = _read(path, _SHAPE, resize=True)
        self.assertEqual((image.pixels.shape, image.pixels.dtype), (_SHAPE, np.uint8))
        sets = self._set(_pixels(1, (12, 8, 3)))
        self._check_refused(sets, "expected 6 x 4")
        (in_set,) = _read(sets, _SHAPE, resize=True)
        np.testing.assert_array_equal(in_set.pixels, image.pixels)

    def test_a_broken_image_spares_the_others(self):
        images = _pixels(2)
        Image.fromarray(images[0]).save(self._path("all", "a.png"))
        Image.fromarray(images[1]).save(self._path("all", "c.png"))
        with open(self._path("all", "a.png"), "rb") as whole, open(self._path("all", "b.png"), "wb") as half:
            half.write(whole.read()[:60])
        found = _read(self._path("all"), _SHAPE)
        self.assertEqual([type(image) for image in found], [NamedImage, Unreadable, NamedImage])

    def test_what_cannot_be_read_is_said_in_one_line(self):
        with open(self._path("text.png"), "w") as file:
            file.write("no image")
        with open(self._path("text.h5"), "w") as file:
            file.write("no set")
        os.makedirs(self._path("empty", "deeper"))
        self._check_refused(self._path("text.png"), "not an image")
        self._check_refused(self._path("none.png"), "No such file")
        self._check_refused(self._path("none.h5"), "No such file|unable to")
        self._check_refused(self._path("text.h5"), "file signature not found|nable")
        self._check_refused(self._path("empty"), "no image files")
        self._check_refused("a\0b", "null byte|embedded")
        self._check_refused(self._set(np.zeros((3, 4))), "shape is .3, 4.; expected N x C x H x W")
        self._check_refused(self._set(np.zeros((3, 5, 5, 7), np.uint8)), "3 channels")
        self._check_refused(self._set(np.full((1, *_SHAPE), 256.0)), "from 0 to 255")
        self._check_refused(self._set(np.full((1, *_SHAPE), np.nan)), "from 0 to 255")
        with h5py.File(self._path("other.h5"), "w") as file:
            file["frames"] = _pixels(1)
        self._check_refused(self._path("other.h5"), "no images in it; expected a dataset `data`, .*, or --array=NAME")
        with h5py.File(self._path("other.h5"), "a") as file:
            file["x"], file["images"] = _pixels(1), _pixels(1)
        self._check_refused(self._path("other.h5"), "images could be `images`, `x`; expected one of them")

    def test_arrays_by_the_names_that_people_give_them(self):
        images = _pixels(3)
        for name, array in (("images", None), ("X", None), ("frames", "frames")):
            path = self._path(f"{name}.h5")
            with h5py.File(path, "w") as file:
                file[name], file["y"] = images, np.arange(3)
            found = list(ImageReader(_SHAPE, array=array).read(path))
            np.testing.assert_array_equal(np.stack([image.pixels for image in found]), images)

    @parameterized.parameters("uint8", "float64", "channels first", "one", "grey")
    def test_npy(self, kind):
        images = _pixels(40)
        stored = {
            "uint8": images,
            "float64": images / 255,
            "channels first": images.transpose(0, 3, 1, 2).copy(),
            "one": images[0],
            "grey": images[..., 0],
        }[kind]
        path = self._path("set.npy")
        np.save(path, stored)
        if kind == "grey":
            images = images[..., :1]
        found = _read(path, images.shape[1:])
        self.assertLen(found, 1 if kind == "one" else 40)
        for image, expected in zip(found, images, strict=False):
            np.testing.assert_array_equal(image.pixels, expected)
        os.rename(path, self._path("unnamed"))
        self.assertLen(_read(self._path("unnamed"), images.shape[1:]), len(found))

    def test_npy_that_is_refused(self):
        path = self._path("set.npy")
        for stored, expected in (
            (np.asfortranarray(_pixels(3)), "in Fortran order; expected C order"),
            (np.array([{}], object), "values of type object; expected numbers"),
            (np.zeros((2, 5, 7, 3), np.uint8), "5 x 7 pixels; expected 6 x 4"),
            (np.zeros((2, 6, 4, 1), np.uint8), "1 channels; expected 3"),
            (np.zeros(()), "a single number"),
        ):
            np.save(path, stored, allow_pickle=True)
            self._check_refused(path, expected)
        np.save(path, _pixels(3))
        os.truncate(path, os.path.getsize(path) - 1)
        self._check_refused(path, "of another size")

    def test_raw_frames(self):
        images = _pixels(3)
        reader = ImageReader(_SHAPE)
        found = list(reader.read_raw(io.BytesIO(images.tobytes() + b"cut"), "-", _SHAPE))
        np.testing.assert_array_equal(np.stack([image.pixels for image in found[:3]]), images)
        self.assertEqual([image.path for image in found], ["-[0]", "-[1]", "-[2]", "-"])
        self.assertEqual(found[3], Unreadable("-", "frame 3 ends after 3 bytes; expected 72"))
        (found,) = reader.read_raw(io.BytesIO(), "-", (12, 8, 3))
        self.assertRegex(found.reason, "12 x 8 pixels; expected 6 x 4 .--resize")
        (found,) = ImageReader(_SHAPE, resize=True).read_raw(io.BytesIO(bytes(288)), "-", (12, 8, 3))
        self.assertEqual(found.pixels.shape, _SHAPE)

    def test_cameras_store_pictures_turned(self):
        image = _pixels(1)[0]
        exif = Image.Exif()
        exif[0x112] = 6
        path = self._path("turned.png")
        Image.fromarray(np.rot90(image).copy()).save(path, exif=exif)
        self._check_refused(path, "4 x 6 pixels; expected 6 x 4")
        (found,) = ImageReader(_SHAPE, turn=True).read(path)
        np.testing.assert_array_equal(found.pixels, image)

    def test_a_watched_folder(self):
        images = _pixels(3)
        paths = [self._path("spool", name) for name in ("a.png", "b.png", "deep/c.png")]
        whole = {}
        for path, image in zip(paths, images, strict=True):
            Image.fromarray(image).save(path)
            with open(path, "rb") as file:
                whole[path] = file.read()
            os.remove(path)

        def write(path, content):
            with open(path, "wb") as file:
                file.write(content)

        a, b, c = paths
        looks = iter(
            [
                lambda: write(a, whole[a]),
                lambda: write(b, whole[b][:20]),
                lambda: write(b, whole[b]),  # It was still being written, and grew between two looks.
                lambda: write(c, whole[c][:20]),
                lambda: None,
                lambda: None,
                lambda: write(c, whole[c]),
                lambda: os.remove(a),
                lambda: os.symlink(b, a),
                lambda: None,
                lambda: None,
            ]
        )

        def pause():
            if (step := next(looks, None)) is None:
                return False
            step()
            return True

        found = list(ImageReader(_SHAPE).watch(self._path("spool"), pause))
        self.assertEqual([one.path for one in found], [a, b, c, c, a])
        self.assertEqual([type(one) for one in found], [NamedImage, NamedImage, Unreadable, NamedImage, Unreadable])
        self.assertIn("a link", found[-1].reason)
        np.testing.assert_array_equal(found[3].pixels, images[2])

    def test_sets_that_refer_to_other_files(self):
        other = self._set(_pixels(2), "other.h5")
        for name, put, expected in (
            ("external.h5", lambda file: file.__setitem__("data", h5py.ExternalLink(other, "data")), "a link"),
            ("soft.h5", lambda file: file.__setitem__("data", h5py.SoftLink("/data")), "a link"),
            ("raw.h5", lambda file: file.create_dataset("data", (2, *_SHAPE), "u1", external=[(other, 0, 144)]),
             "in another file"),
        ):  # fmt: skip
            with h5py.File(self._path(name), "w") as file:
                put(file)
            self._check_refused(self._path(name), expected)

    def test_a_set_is_refused_by_its_declaration_before_any_of_it_is_read(self):
        path = self._path("declared.h5")
        for shape, resize, expected in (
            ((64, 6000, 6000, 3), False, "6000 x 6000 pixels; expected 6 x 4"),
            ((64, 6000, 6000, 3), True, "incomplete, 0 of"),
            ((2**25, 6, 4, 3), False, "images of 6 x 4; expected 1 to"),
        ):
            with h5py.File(path, "w") as file:
                file.create_dataset("data", shape, "u1", fillvalue=7, chunks=(1, *shape[1:]) if resize else None)
            with h5py.File(path, "a") as file:
                if not resize:
                    file["data"].id.get_storage_size()
            (found,) = _read(path, _SHAPE, resize)
            self.assertRegex(found.reason, f"{expected}|incomplete, 0 of")

    def test_a_set_is_read_by_bytes_not_by_images(self):
        images = np.zeros((3, 2100, 2000, 3), np.uint8)
        images[2] = 255
        with h5py.File(self._path("large.h5"), "w") as file:
            file.create_dataset("data", data=images, chunks=(1, 2100, 2000, 3), compression="gzip", compression_opts=1)
        found = _read(self._path("large.h5"), resize=True)
        self.assertEqual([int(image.pixels.mean()) for image in found], [0, 0, 255])

    def test_no_reader_that_starts_other_programs(self):
        """Pillow reads PostScript by handing it to Ghostscript, whatever the file is called."""
        path = self._path("picture.png")
        Image.fromarray(_pixels(1)[0]).save(path, "EPS")
        with Image.open(path) as picture:
            self.assertEqual(picture.format, "EPS")
        self._check_refused(path, "not an image that Pillow can read")

    def test_a_picture_too_large_is_not_decoded(self):
        path = self._path("bomb.png")
        header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)))
            file.write(struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")))
        self._check_refused(path, "far more than 67108864 pixels")
        self._check_refused(path, "far more than 67108864 pixels", resize=True)


if __name__ == "__main__":
    absltest.main()
