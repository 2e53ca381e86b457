"""Reads one image file, in the pipeline as on the device. NumPy and Pillow, imported when needed.

The header says what a decoder would have to do, and that is bounded before the decoder runs: the size in pixels and, of
a JPEG, the number of its scans, each of which goes over the whole image.
"""

import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import numpy as np

from goodnet.export.regular_files import open_regular

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")

# Pillow's other readers include one that starts Ghostscript on what the file says.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_MAX_PIXELS = 8192 * 8192
_MAX_BYTES = 2**28
# Pixels times scans: the largest image in 16 scans (progressive encoders make about ten), smaller ones in more.
_MAX_PIXEL_SCANS = 16 * _MAX_PIXELS
# A marker in a JPEG: 0xff before anything but fill bytes, stuffed zeros and restarts within a scan.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd8])")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_START_OF_JPEG = b"\xff\xd8"

_Answer = TypeVar("_Answer")


class BrokenImageError(Exception):
    """A file can't be read as an image; the message says why, in one line."""


class WrongSizeError(Exception):
    """An image has another size than was wanted.

    Attributes:
        height: its own.
        width: its own.
    """

    def __init__(self, height: int, width: int):
        super().__init__(f"{height} x {width} pixels")
        self.height = height
        self.width = width


def read_size(path: str, follow_links: bool = False) -> tuple[int, int]:
    """(height, width) of an image file, from its header; nothing is decoded. Errors as for `read_image`."""
    return _read(path, follow_links, lambda image, file: (image.size[1], image.size[0]))


def read_image(
    path: str,
    channels: int = 3,
    size: tuple[int, int] | None = None,
    follow_links: bool = False,
    resize_to: tuple[int, int] | None = None,
) -> np.ndarray:
    """Decodes one image file.

    Grey, palette, CMYK and alpha become RGB, or grey; alpha is left aside, and so is the orientation in EXIF.

    Args:
        path: PNG, JPEG, BMP, PPM, GIF (first frame), WebP or TIFF, by contents.
        channels: 3 for RGB, 1 for grey.
        size: (height, width) that is wanted; another is refused before it is decoded. None for any.
        follow_links: whether the path itself may be a link.
        resize_to: (height, width) to scale it to, bilinearly; None to leave it as it is.

    Returns:
        uint8 [H, W, channels].

    Raises:
        BrokenImageError: it is no regular file, cannot be decoded, takes more than is bearable, or has more than 8
            bits a channel (grey, or floats).
        WrongSizeError: it has another size than `size`.
        ImportError: Pillow is not installed.
    """

    def decode(image: "Image.Image", file: BinaryIO) -> np.ndarray:
        width, height = image.size
        if size is not None and (height, width) != size:
            raise WrongSizeError(height, width)
        _check_scans(file, width * height)
        picture = image.convert("L" if channels == 1 else "RGB")
        if resize_to is not None and (height, width) != resize_to:
            from PIL import Image

            picture = picture.resize((resize_to[1], resize_to[0]), Image.Resampling.BILINEAR)
        return np.asarray(picture, np.uint8).reshape(picture.size[1], picture.size[0], channels)

    return _read(path, follow_links, decode)


def _read(path: str, follow_links: bool, look: "Callable[[Image.Image, BinaryIO], _Answer]") -> _Answer:
    from PIL import Image

    try:
        with open_regular(path, follow_links) as file, warnings.catch_warnings():
            # They are about metadata, and of pixels (for which there is a bound here).
            warnings.simplefilter("ignore")
            if file.seek(0, 2) > _MAX_BYTES:
                raise BrokenImageError(f"{file.tell()} bytes, more than {_MAX_BYTES}")
            file.seek(0)
            with Image.open(file, formats=_FORMATS) as image:
                width, height = image.size
                if not 0 < width * height <= _MAX_PIXELS:
                    raise BrokenImageError(f"{width} x {height} pixels; expected at most {_MAX_PIXELS}")
                if image.mode[0] in "IF":  # Pillow would clip these at 255 without a word.
                    raise BrokenImageError("more than 8 bits a channel; expected 8")
                return look(image, file)
    except (BrokenImageError, WrongSizeError):
        raise
    except Image.UnidentifiedImageError:
        raise BrokenImageError("not an image that Pillow can read") from None
    except Image.DecompressionBombError:
        raise BrokenImageError(f"its header says far more than {_MAX_PIXELS} pixels") from None
    except Exception as error:  # A decoder of untrusted bytes may raise anything.
        raise BrokenImageError(reason(error)) from error


def _check_scans(file: BinaryIO, pixels: int) -> None:
    """Refuses a JPEG in more scans than its size bears; the file is left where it was."""
    most = _MAX_PIXEL_SCANS // pixels
    place = file.tell()
    file.seek(0)
    found = _scans(file.read(), most) if file.read(2) == _START_OF_JPEG else 0
    file.seek(place)
    if found > most:
        raise BrokenImageError(f"a JPEG of more than {most} scans of {pixels} pixels; expected about ten")


def _scans(content: bytes, most: int) -> int:
    """Scans in what follows the start of a JPEG, up to its end, counted no further than `most` + 1."""
    count, position = 0, 0
    while count <= most and (found := _JPEG_MARKER.search(content, position)):
        marker, position = found[1][0], found.end()
        if marker == _END_OF_IMAGE:
            break
        count += marker == _START_OF_SCAN
        position += int.from_bytes(content[position : position + 2], "big")
    return count


def reason(error: BaseException) -> str:
    """What an exception says, in one line of at most 200 characters."""
    return " ".join((getattr(error, "strerror", None) or str(error)).split())[:200] or type(error).__name__
