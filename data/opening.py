"""Opens an image set of any supported kind by its path."""

import os
import stat
from dataclasses import replace

from goodnet.data import hdf5, image_folder, image_set, npz
from goodnet.data.array_names import KNOWN_NAMES
from goodnet.data.class_names import against
from goodnet.data.errors import InputError
from goodnet.data.fitting import resizable
from goodnet.data.npy_folder import array_files, read_npy_folder
from goodnet.data.reading_options import AS_STORED, ReadingOptions
from goodnet.data.use import Use, part_for
from goodnet.export.regular_files import entries

_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_NPY = b"\x93NUMPY"
_KINDS = "an HDF5 file, an .npz file, or a folder of images or .npy files"


def open_image_set(
    path: str,
    skip_broken_images: bool = True,
    class_names: tuple[str, ...] | None = None,
    options: ReadingOptions = AS_STORED,
    use: Use = Use.CLEAN,
) -> image_set.ImageSet:
    """Opens an image set; what it is shows in its contents, not in its name.

    Args:
        path: an HDF5 file (`data`, `label`), an .npz file, a folder of images, or one of `.npy` files. What holds
            several parts of the data, `train`, `val` and `test`, gives the one that is made for the use.
        skip_broken_images: in a folder, leave out images that cannot be decoded (with a warning that counts them)
            instead of refusing the folder.
        class_names: the list of the run (see `data.class_names`), if there is one: the set is read against it.
        options: how the images are read; `data.fitting.fitted` then makes them what a model takes.
        use: what for.

    Returns:
        An ImageSet whose pixels are read on demand.

    Raises:
        InputError: when nothing is there, it is none of these, it is not what the reader expects, or it holds
            images of a class that is not in the list.
    """
    path = os.fspath(path)
    if options.clean_part and use == Use.CLEAN:
        use = replace(use, parts=(options.clean_part,), is_chosen=True)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file or folder; expected {_KINDS}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be opened ({_reason(error)}); expected {_KINDS}") from error
    if stat.S_ISDIR(mode):
        return against(_open_folder(path, skip_broken_images, class_names, options, use), class_names)
    if not stat.S_ISREG(mode):  # a pipe would make the reader wait for ever
        raise InputError(f"{path}: neither a file nor a folder; expected {_KINDS}")
    return against(_as_asked(_open_file(path, use), options), class_names)


def _open_folder(
    path: str, skip_broken: bool, class_names: tuple[str, ...] | None, options: ReadingOptions, use: Use
) -> image_set.ImageSet:
    if parts := image_folder.parts_in(path):
        path = part_for(use, parts, path)
    files = array_files(entries(path))
    if any(name in KNOWN_NAMES for name in files):
        return _as_asked(read_npy_folder(path, files, use), options)
    return image_folder.read_image_folder(path, skip_broken, class_names, options, use)


def _as_asked(arrays: image_set.ImageSet, options: ReadingOptions) -> image_set.ImageSet:
    if options.crop_to_roi:
        raise InputError(f"{arrays.name}: arrays have no regions of interest; expected no --crop_to_roi")
    return resizable(arrays) if options.resize else arrays


def _open_file(path: str, use: Use) -> image_set.ImageSet:
    try:
        with open(path, "rb") as file:
            start = file.read(len(_NPY))
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({_reason(error)})") from error
    if not start:
        raise InputError(f"{path}: an empty file; expected {_KINDS}")
    if start[: len(_ZIP)] in (_ZIP, _EMPTY_ZIP):
        return npz.read_npz(path, use)
    if _is_hdf5(path):
        return hdf5.read_hdf5(path, use)
    if start == _NPY:
        raise InputError(f"{path}: one array; expected the folder that holds it and its labels (x.npy and y.npy)")
    if path.lower().endswith(".csv"):
        raise InputError(f"{path}: a table; expected the folder that holds it and its pictures")
    if start[:1] == b"\x80":
        raise InputError(f"{path}: a pickle, which could run code and is never opened; expected {_KINDS}")
    raise InputError(f"{path}: not an image set; expected {_KINDS}")


def _is_hdf5(path: str) -> bool:
    """Whether HDF5's signature stands where it may: at the beginning, or after 512, 1024, 2048, ... bytes."""
    size, offset = os.path.getsize(path), 0
    with open(path, "rb") as file:
        while offset < size:
            file.seek(offset)
            if file.read(len(_HDF5)) == _HDF5:
                return True
            offset = max(512, 2 * offset)
    return False


def _reason(error: Exception) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
