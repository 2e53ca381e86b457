"""Opens an image set of any supported kind by its path."""

import os
import stat

from goodnet.data import hdf5, image_folder, image_set, npz
from goodnet.data.class_names import against
from goodnet.data.errors import InputError

_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_KINDS = "an HDF5 file, an .npz file or a folder of images"


def open_image_set(
    path: str, skip_broken_images: bool = True, class_names: tuple[str, ...] | None = None
) -> image_set.ImageSet:
    """Opens an image set; what it is shows in its contents, not in its name.

    Args:
        path: an HDF5 file (`data`, `label`), an .npz file, or a folder of images.
        skip_broken_images: in a folder, leave out images that cannot be decoded (with a warning that counts them)
            instead of refusing the folder.
        class_names: the list of the run (see `data.class_names`), if there is one: the set is read against it.

    Returns:
        An ImageSet whose pixels are read on demand.

    Raises:
        InputError: when nothing is there, it is none of these, it is not what the reader expects, or it holds
            images of a class that is not in the list.
    """
    path = os.fspath(path)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file or folder; expected {_KINDS}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be opened ({_reason(error)}); expected {_KINDS}") from error
    if stat.S_ISDIR(mode):
        found = image_folder.read_image_folder(path, skip_broken_images, class_names)
        return against(found, class_names)
    if not stat.S_ISREG(mode):  # a pipe would make the reader wait for ever
        raise InputError(f"{path}: neither a file nor a folder; expected {_KINDS}")
    return against(_open_file(path), class_names)


def _open_file(path: str) -> image_set.ImageSet:
    try:
        with open(path, "rb") as file:
            start = file.read(4)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({_reason(error)})") from error
    if not start:
        raise InputError(f"{path}: an empty file; expected {_KINDS}")
    if start in (_ZIP, _EMPTY_ZIP):
        return npz.read_npz(path)
    if _is_hdf5(path):
        return hdf5.read_hdf5(path)
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
