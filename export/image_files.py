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
# The tag in EXIF, what turns a picture upright (values of PIL.Image.Transpose), and the values that lie on a side.
_ORIENTATION = 0x112
# The tag in TIFF.
_BITS_PER_SAMPLE = 258
_TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
_LYING = (5, 6, 7, 8)
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


def read_size(path: str, follow_links: bool = False, turn: bool = False) -> tuple[int, int]:
    """(height, width) of an image file, from its header; no pixel is decoded. Errors as for `read_image`."""
    return _read(path, follow_links, lambda image, file: _extent(image, turn))


def read_image(
    path: str,
    channels: int = 3,
    size: tuple[int, int] | None = None,
    follow_links: bool = False,
    resize_to: tuple[int, int] | None = None,
    turn: bool = False,
    region: tuple[int, int, int, int] | None = None,
) -> np.ndarray:
    """Decodes one image file.

    Grey, palette, CMYK and alpha become RGB, or grey; alpha is left aside, and so is the orientation in EXIF unless
    `turn` says otherwise.

    Args:
        path: PNG, JPEG, BMP, PPM, GIF (first frame), WebP or TIFF, by contents.
        channels: 3 for RGB, 1 for grey.
        size: (height, width) that is wanted of the picture, turned if it is to be, before a region is cut out; another
            is refused before it is decoded. None for any.
        follow_links: whether the path itself may be a link.
        resize_to: (height, width) to scale it to, bilinearly; None to leave it as it is.
        turn: whether it is turned and mirrored as its EXIF data says.
        region: (left, top, right, bottom) in pixels, right and bottom excluded, of what is taken; None for all.

    Returns:
        uint8 [H, W, channels].

    Raises:
        BrokenImageError: it is no regular file, cannot be decoded, takes more than is bearable, has more than 8 bits a
            channel, or the region is not within it.
        WrongSizeError: it has another size than `size`.
        ImportError: Pillow is not installed.
    """

    def decode(image: "Image.Image", file: BinaryIO) -> np.ndarray:
        height, width = _extent(image, turn)
        if size is not None and (height, width) != size:
            raise WrongSizeError(height, width)
        _check_scans(file, width * height)
        method = _TURNS.get(_orientation(image)) if turn else None
        picture = image.convert("L" if channels == 1 else "RGB")
        if method is not None:
            from PIL import Image

            picture = picture.transpose(Image.Transpose(method))
        if region is not None:
            left, top, right, bottom = region
            if not (0 <= left < right <= width and 0 <= top < bottom <= height):
                raise BrokenImageError(f"the region {list(region)} is not within its {height} x {width} pixels")
            picture = picture.crop(region)
        pixels = np.asarray(picture, np.uint8).reshape(picture.size[1], picture.size[0], channels)
        return pixels if resize_to is None else scaled(pixels, resize_to)

    return _read(path, follow_links, decode)


def scaled(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image scaled bilinearly, by Pillow: uint8 [H, W, 1 or 3] -> uint8 [height, width, 1 or 3]."""
    if pixels.shape[:2] == size:
        return pixels
    from PIL import Image

    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))
    picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(picture, np.uint8).reshape(*size, pixels.shape[2])


def _orientation(image: "Image.Image") -> int:
    """As EXIF has it, 1 to 8; 1 where it says nothing."""
    found = image.getexif().get(_ORIENTATION, 1)
    return found if found in _TURNS else 1


def _extent(image: "Image.Image", turn: bool) -> tuple[int, int]:
    """(height, width) of a picture, turned if it is to be."""
    width, height = image.size
    return (width, height) if turn and _orientation(image) in _LYING else (height, width)


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
                if _is_deep(image):  # Pillow would clip these at 255, or round them, without a word.
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


def _is_deep(image: "Image.Image") -> bool:
    """Whether it has more than 8 bits a channel; of colours, Pillow says so only to its decoders."""
    if image.mode[0] in "IF":
        return True
    if image.format == "TIFF":
        return max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))) > 8  # type: ignore[attr-defined]
    tiles = image.tile  # type: ignore[attr-defined]
    wanted = tiles[0][3] if tiles else ""
    # ("RGB", 65535) of a PPM, "RGB;16B" of a PNG; "BGR;16" of a BMP is 16 bits a pixel.
    if isinstance(wanted, tuple):
        return image.format == "PPM" and isinstance(wanted[-1], int) and wanted[-1] > 255
    return image.format == "PNG" and str(wanted).endswith(";16B")


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
