"""Images for the device: files, folders and HDF5 sets, one image at a time.

NumPy and the standard library; Pillow is imported for the first image file, h5py for the first HDF5 file.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})

# Pillow's other readers include one that starts Ghostscript on what the file says.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf")
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_HDF5_BATCH = 64


@dataclass(frozen=True)
class NamedImage:
    """An image: its path (`set.h5[12]` for one of a set) and its pixels, uint8 [H, W, C]."""

    path: str
    pixels: np.ndarray


@dataclass(frozen=True)
class Unreadable:
    """What could not be read: its path, and why, in one line."""

    path: str
    reason: str


def read_images(
    path: str, image_shape: tuple[int, int, int], resize: bool = False
) -> Iterator[NamedImage | Unreadable]:
    """Reads what a path names, one image at a time.

    Args:
        path: an image file; a folder, whose image files are read in order of name, at any depth; or an HDF5 file with
            images in `data`, [N, C, H, W] or [N, H, W, C], uint8 or numbers in 0..255.
        image_shape: (height, width, channels) that is wanted; files become grey for one channel, RGB for three.
        resize: whether files and sets of another size are scaled (bilinearly) to it.

    Yields:
        Images of that shape, and, in their place, what could not be read; nothing is raised.
    """
    if os.path.isdir(path):
        yield from _read_folder(path, image_shape, resize)
    elif _is_hdf5(path):
        yield from _read_hdf5(path, image_shape, resize)
    else:
        yield _read_file(path, image_shape, resize)


def _read_folder(path: str, image_shape: tuple[int, int, int], resize: bool) -> Iterator[NamedImage | Unreadable]:
    refused: list[OSError] = []
    empty = True
    for folder, folders, files in os.walk(path, onerror=refused.append):
        folders.sort()
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES:
                empty = False
                yield _read_file(os.path.join(folder, name), image_shape, resize)
    for error in refused:
        yield Unreadable(str(error.filename), _reason(error))
    if empty and not refused:
        yield Unreadable(path, f"no image files in this folder; expected {', '.join(sorted(IMAGE_SUFFIXES))}")


def _read_file(path: str, image_shape: tuple[int, int, int], resize: bool) -> NamedImage | Unreadable:
    try:
        from PIL import Image
    except ImportError:
        return Unreadable(path, "Pillow is not installed, which reads image files (pip install pillow)")
    height, width, channels = image_shape
    try:
        with Image.open(path, formats=_FORMATS) as image:
            # The size stands in the header: a picture too large to decode is refused before it is decoded.
            if image.size != (width, height) and not resize:
                return Unreadable(path, _wrong_size(image.size[1], image.size[0], image_shape))
            picture = image.convert("L" if channels == 1 else "RGB")
    except Image.UnidentifiedImageError:
        return Unreadable(path, "not an image that Pillow can read")
    except Exception as error:  # Pillow's readers raise whatever a broken file makes of them.
        return Unreadable(path, _reason(error))
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    return NamedImage(path, np.asarray(picture, np.uint8).reshape(image_shape))


def _is_hdf5(path: str) -> bool:
    if path.lower().endswith(_HDF5_SUFFIXES):
        return True
    try:
        with open(path, "rb") as file:
            return file.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC
    except (OSError, ValueError):
        return False


def _read_hdf5(path: str, image_shape: tuple[int, int, int], resize: bool) -> Iterator[NamedImage | Unreadable]:
    try:
        import h5py
    except ImportError:
        yield Unreadable(path, "h5py is not installed, which reads HDF5 files (pip install h5py)")
        return
    try:
        with h5py.File(path, "r") as file:
            if isinstance(file.get("data", getlink=True), h5py.SoftLink | h5py.ExternalLink):
                yield Unreadable(path, "`data` is a link to elsewhere; expected a data set of this file")
                return
            data = file.get("data")
            if isinstance(data, h5py.Dataset) and (data.external or data.is_virtual):
                yield Unreadable(path, "`data` is stored in another file; expected it in this one")
                return
            if not isinstance(data, h5py.Dataset) or len(data.shape) != 4 or data.dtype.kind not in "uif":
                yield Unreadable(path, "no images; expected numbers in a data set `data` with four axes")
                return
            channels_first = _channels_first(data.shape, image_shape)
            if channels_first is None:
                yield Unreadable(path, f"`data` is {data.shape}; expected images with {image_shape[2]} channels")
                return
            for start in range(0, len(data), _HDF5_BATCH):
                batch = data[start : start + _HDF5_BATCH]
                for offset, pixels in enumerate(batch.transpose(0, 2, 3, 1) if channels_first else batch):
                    yield _from_set(f"{path}[{start + offset}]", pixels, image_shape, resize)
    except Exception as error:  # h5py raises whatever a broken file makes of it.
        yield Unreadable(path, _reason(error))


def _channels_first(shape: tuple[int, ...], image_shape: tuple[int, int, int]) -> bool | None:
    """Whether a set of this shape is [N, C, H, W]; None if it holds no images with as many channels as wanted."""
    height, width, channels = image_shape
    if shape[1:] == (channels, height, width):
        return True
    if shape[1:] == image_shape:
        return False
    return True if shape[1] == channels else False if shape[3] == channels else None


def _from_set(
    path: str, pixels: np.ndarray, image_shape: tuple[int, int, int], resize: bool
) -> NamedImage | Unreadable:
    if pixels.dtype != np.uint8:
        if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 255):
            return Unreadable(path, "its pixels are not all in 0..255")
        pixels = np.rint(pixels).astype(np.uint8)
    if pixels.shape == image_shape:
        return NamedImage(path, pixels)
    if not resize:
        return Unreadable(path, _wrong_size(pixels.shape[0], pixels.shape[1], image_shape))
    from PIL import Image

    size = (image_shape[1], image_shape[0])
    scaled = Image.fromarray(pixels[:, :, 0] if image_shape[2] == 1 else pixels).resize(size, Image.Resampling.BILINEAR)
    return NamedImage(path, np.asarray(scaled, np.uint8).reshape(image_shape))


def _wrong_size(height: int, width: int, image_shape: tuple[int, int, int]) -> str:
    return f"{height} x {width} pixels; expected {image_shape[0]} x {image_shape[1]} (--resize scales images)"


def _reason(error: BaseException) -> str:
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()
    return text.split("\n", maxsplit=1)[0]
