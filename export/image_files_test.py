"""What the pipeline and the device read alike: the same files, through `data.image_folder` and `export.reading`."""

import os
import pathlib
import struct
import zlib

import h5py
import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from goodnet.data.errors import InputError
from goodnet.data.opening import open_image_set
from goodnet.export.image_files import BrokenImageError, WrongSizeError, read_image, read_size
from goodnet.export.reading import ImageReader, NamedImage, Unreadable

_COLOURS = np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8)
_GREY = _COLOURS[:, :, 0]


def _rgba(alpha: int) -> Image.Image:
    picture = Image.fromarray(_COLOURS).convert("RGBA")
    picture.putalpha(alpha)
    return picture


def _turned(path: str) -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(_COLOURS).save(path, exif=exif, quality=97)


_PICTURES = {
    "rgb.png": lambda path: Image.fromarray(_COLOURS).save(path),
    "grey.png": lambda path: Image.fromarray(_GREY).save(path),
    "black_and_white.png": lambda path: Image.fromarray(_GREY).convert("1").save(path),
    "rgba.png": lambda path: _rgba(255).save(path),
    "transparent.png": lambda path: _rgba(0).save(path),
    "palette.gif": lambda path: Image.fromarray(_COLOURS).quantize(16).save(path),
    "cmyk.jpg": lambda path: Image.fromarray(_COLOURS).convert("CMYK").save(path, quality=97),
    "turned.jpg": _turned,
    "lossless.webp": lambda path: Image.fromarray(_COLOURS).save(path, lossless=True),
}


def _png(width: int, height: int, bits: int = 1, colours: int = 0, rows: bytes = b"") -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    pixels = b"IDAT" + zlib.compress(rows)
    chunks = [
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (header, pixels, b"IEND")
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _rgb16_png(path: str) -> None:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in _COLOURS)
    pathlib.Path(path).write_bytes(_png(4, 6, bits=16, colours=2, rows=rows))


def _rgb16_ppm(path: str) -> None:
    pathlib.Path(path).write_bytes(b"P6 4 6 65535\n" + _COLOURS.astype(">u2").tobytes())


def _rgb16_tiff(path: str) -> None:
    """By hand, since Pillow writes none: nine tags, of which BitsPerSample (258) has its values behind them."""
    pixels = _COLOURS.astype("<u2").tobytes()
    values = 8 + 2 + 9 * 12 + 4
    tags = (
        (256, 3, 1, 4), (257, 3, 1, 6), (258, 3, 3, values), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, values + 6), (277, 3, 1, 3), (278, 3, 1, 6), (279, 4, 1, len(pixels)),
    )  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    pathlib.Path(path).write_bytes(
        b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<HHH", 16, 16, 16) + pixels
    )


_REFUSED = {
    "grey16.png": lambda path: Image.fromarray(_GREY.astype(np.uint16) * 257).save(path),
    "grey16.tif": lambda path: Image.fromarray(_GREY.astype(np.uint16) * 257).save(path),
    "rgb16.png": _rgb16_png,
    "rgb16.ppm": _rgb16_ppm,
    "rgb16.tif": _rgb16_tiff,
    "grey32.tif": lambda path: Image.fromarray(_GREY.astype(np.int32)).save(path),
    "float.tif": lambda path: Image.fromarray(_GREY.astype(np.float32) / 255).save(path),
    "text.png": lambda path: pathlib.Path(path).write_text("no picture"),
    "zero.png": lambda path: os.symlink("/dev/zero", path),
    "itself.png": lambda path: os.symlink(os.path.basename(path), path),
    "pipe.png": os.mkfifo,
}


def _scans(count: int, size: int) -> bytes:
    """A progressive JPEG whose last scan is there many times."""
    path = os.path.join(absltest.get_default_test_tmpdir(), "progressive.jpg")
    Image.new("L", (size, size), 100).save(path, progressive=True)
    content = pathlib.Path(path).read_bytes()
    last = content.rindex(b"\xff\xda")
    return content[:last] + content[last:-2] * count + content[-2:]


class ImageFilesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path
        os.mkdir(os.path.join(self.folder, "0"))

    def path(self, name: str) -> str:
        return os.path.join(self.folder, "0", name)

    @parameterized.parameters(*_PICTURES)
    def test_both_sides_read_the_same_pixels(self, name):
        _PICTURES[name](self.path(name))
        in_pipeline = open_image_set(self.folder).images()
        for given in (self.folder, self.path(name)):
            (on_device,) = ImageReader((6, 4, 3)).read(given)
            self.assertIsInstance(on_device, NamedImage)
            np.testing.assert_array_equal(on_device.pixels, in_pipeline[0])

    @parameterized.parameters("rgb16.png", "rgb16.ppm", "rgb16.tif", "grey16.png")
    def test_more_bits_than_eight_are_not_rounded_in_silence(self, name):
        _REFUSED[name](self.path(name))
        with Image.open(self.path(name)) as whole:
            whole.load()
        with self.assertRaisesRegex(BrokenImageError, "^more than 8 bits a channel; expected 8$"):
            read_image(self.path(name))

    @parameterized.parameters(*_REFUSED)
    def test_both_sides_refuse_the_same(self, name):
        _REFUSED[name](self.path(name))
        (on_device,) = ImageReader((6, 4, 3)).read(self.folder)
        self.assertIsInstance(on_device, Unreadable)
        self.assertNotIn("\n", on_device.reason)
        with self.assertRaises(InputError) as caught:
            open_image_set(self.folder)
        self.assertIn("none of its 1 images can be decoded", str(caught.exception))
        self.assertIn(on_device.reason.split(";")[0], str(caught.exception))
        (named,) = ImageReader((6, 4, 3)).read(self.path(name))
        self.assertIsInstance(named, Unreadable)

    @parameterized.parameters(
        (_COLOURS / 255, None),
        ((_COLOURS > 99) * 1.0, "neither clearly of 0..1"),
        (_COLOURS / 127.5 - 1, "pixels from -"),
        (_COLOURS * 257.0, "pixels from"),
        (_COLOURS * 257, "pixels from"),
        (_COLOURS * np.nan, "NaN"),
        (_COLOURS.astype(np.float32), None),
        (_COLOURS + 0.4, None),
        (_COLOURS.astype(np.int16), None),
        (_COLOURS > 100, "type bool"),
    )
    def test_sets_are_on_the_same_scale_on_both_sides(self, pixels, complaint):
        path = os.path.join(self.folder, "set.h5")
        # The first image is dark: alone it would lie in 0..1.
        stored = np.stack([np.zeros_like(pixels), pixels])
        with h5py.File(path, "w") as file:
            file["data"], file["label"] = stored, [0, 1]
        found = list(ImageReader((6, 4, 3)).read(path))
        if complaint is None:
            in_pipeline = open_image_set(path).images()
            np.testing.assert_array_equal(np.stack([image.pixels for image in found]), in_pipeline)
        else:
            self.assertLen(found, 1)
            self.assertRegex(found[0].reason, complaint)
            with self.assertRaisesRegex(InputError, complaint):
                open_image_set(path)

    def test_another_size_is_refused_before_it_is_decoded(self):
        pathlib.Path(self.path("large.png")).write_bytes(_png(8192, 8192))
        self.assertEqual(read_size(self.path("large.png")), (8192, 8192))
        with self.assertRaises(WrongSizeError) as caught:
            read_image(self.path("large.png"), size=(6, 4))
        self.assertEqual((caught.exception.height, caught.exception.width), (8192, 8192))
        # There is nothing to decode in it: whoever tries says so.
        with self.assertRaises(BrokenImageError):
            read_image(self.path("large.png"))
        _PICTURES["rgb.png"](self.path("a.png"))
        with self.assertRaisesRegex(InputError, "large.png: 8192 x 8192 pixels"):
            open_image_set(self.folder)

    def test_too_many_pixels(self):
        for width, height in ((8193, 8192), (60_000, 60_000)):
            pathlib.Path(self.path("bomb.png")).write_bytes(_png(width, height))
            with self.assertRaisesRegex(BrokenImageError, "67108864"):
                read_image(self.path("bomb.png"))

    def test_scans_of_a_jpeg_are_bounded_by_its_size(self):
        path = self.path("progressive.jpg")
        pathlib.Path(path).write_bytes(_scans(300, size=64))
        self.assertEqual(read_image(path).shape, (64, 64, 3))
        pathlib.Path(path).write_bytes(_scans(1, size=4096))
        self.assertEqual(read_image(path).shape, (4096, 4096, 3))
        pathlib.Path(path).write_bytes(_scans(300, size=4096))
        with self.assertRaisesRegex(BrokenImageError, "a JPEG of more than 64 scans of 16777216 pixels"):
            read_image(path)

    def test_a_thumbnail_is_no_scan(self):
        path = self.path("thumbnail.jpg")
        plain = _scans(1, size=4096)
        thumbnails = b"".join(b"\xff\xe5\x00\x42" + b"\xff\xda" * 32 for _ in range(100))
        pathlib.Path(path).write_bytes(plain[:2] + thumbnails + plain[2:])
        self.assertEqual(read_image(path).shape, (4096, 4096, 3))

    def test_links_are_followed_where_a_person_names_them(self):
        _PICTURES["rgb.png"](self.path("real.png"))
        os.symlink("real.png", self.path("link.png"))
        self.assertIsInstance(next(ImageReader((6, 4, 3)).read(self.path("link.png"))), NamedImage)
        found = list(ImageReader((6, 4, 3)).read(self.folder))
        self.assertEqual([type(image) for image in found], [Unreadable, NamedImage])
        with self.assertLogs(level="WARNING") as logs:
            self.assertLen(open_image_set(self.folder), 1)
        self.assertIn("1 broken images skipped", logs.output[0])
        with self.assertRaisesRegex(InputError, "link.png: a broken image .a link, which is not followed"):
            open_image_set(self.folder, skip_broken_images=False)

    def test_a_class_behind_a_link_is_not_left_out_in_silence(self):
        _PICTURES["rgb.png"](self.path("a.png"))
        os.symlink(self.path(""), os.path.join(self.folder, "1"))
        with self.assertRaisesRegex(InputError, "1: a link, which is not followed; expected a folder"):
            open_image_set(self.folder)
        self.assertEqual([type(one) for one in ImageReader((6, 4, 3)).read(self.folder)], [Unreadable, NamedImage])


if __name__ == "__main__":
    absltest.main()
