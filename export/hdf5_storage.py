"""Checks how a dataset of an untrusted HDF5 file is stored: within the file, whole, by known filters.

h5py is imported when it is needed, since a device may lack it.
"""

import math
from typing import TYPE_CHECKING

from goodnet.export.errors import InputError
from goodnet.export.pixel_range import shown_shape

if TYPE_CHECKING:
    import h5py

_MAX_CHUNK_BYTES = 2**28
# deflate, shuffle, fletcher32, scale-offset, LZF. Any other filter would be a plug-in loaded from disk, or is szip or
# nbit, which nobody uses for images.
_FILTERS = frozenset({1, 2, 3, 6, 32000})


def check_dataset(file: "h5py.File", name: str, where: str) -> "h5py.Dataset":
    """Finds a dataset and checks that it is whole and inside the file.

    Args:
        file: the open file.
        name: of the dataset.
        where: file and name, for messages.

    Returns:
        The dataset; none of its values was read.

    Raises:
        InputError: it is missing, or is not what is described here.
    """
    import h5py

    link = file.get(name, getlink=True)
    if link is None:
        raise InputError(f"{where}: no such dataset; expected images in it")
    if not isinstance(link, h5py.HardLink):
        raise InputError(f"{where}: a link to elsewhere; expected a dataset of this file")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise InputError(f"{where}: a group; expected a dataset")
    if dataset.shape is None:
        raise InputError(f"{where}: an empty dataset; expected numbers")
    if dataset.is_virtual:
        raise InputError(f"{where}: a virtual dataset; expected one that holds its own values")
    _check_storage(dataset, where)
    return dataset


def _check_storage(dataset: "h5py.Dataset", where: str) -> None:
    """Refuses storage outside the file, foreign filters, and declared values that were never written."""
    import h5py

    properties = dataset.id.get_create_plist()
    if properties.get_external_count():
        raise InputError(f"{where}: its values are stored in another file; expected them in this one")
    for position in range(properties.get_nfilters()):
        code = properties.get_filter(position)[0]
        if code not in _FILTERS or not h5py.h5z.filter_avail(code):
            raise InputError(f"{where}: compressed with filter {code}; expected gzip, LZF or no compression")
    itemsize = dataset.dtype.itemsize
    if dataset.chunks is not None:
        if math.prod(dataset.chunks) * itemsize > _MAX_CHUNK_BYTES:
            raise InputError(f"{where}: chunks {shown_shape(dataset.chunks)} are larger than {_MAX_CHUNK_BYTES} bytes")
        declared = math.prod(-(-side // chunk) for side, chunk in zip(dataset.shape, dataset.chunks, strict=True))
        written = dataset.id.get_num_chunks()
        if written < declared:
            raise InputError(f"{where}: incomplete, {written} of {declared} chunks were written")
    else:
        declared = math.prod(dataset.shape) * itemsize
        written = dataset.id.get_storage_size()
        if written < declared:
            raise InputError(f"{where}: incomplete, {written} of {declared} bytes were written")
