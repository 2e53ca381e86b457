"""Labels as they come from a file, checked and brought to int64 [N]."""

import numpy as np

from goodnet.data.errors import InputError

# A label is an index into the classes, and arrays with one entry a class are made from it: an absurd one is refused
# here rather than becoming an allocation later.
MAX_LABEL = 1_000_000


def check_label_shape(shape: tuple[int, ...], images: int, where: str) -> None:
    """Refuses label arrays that do not hold one number for each image.

    Args:
        shape: shape of the label array; [N] and [N, 1] are accepted.
        images: N, the number of images.
        where: file and field, for the message.

    Raises:
        InputError: when the rank or the length is wrong, or the labels look one-hot.
    """
    if len(shape) == 2 and shape[1] > 1:
        raise InputError(
            f"{where}: the shape is {list(shape)}, which looks like one-hot labels or scores; "
            f"expected one class number for each image, shape [{images}]"
        )
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] != 1):
        raise InputError(f"{where}: the shape is {list(shape)}; expected one class number for each image, [{images}]")
    if shape[0] != images:
        raise InputError(f"{where}: {shape[0]} labels for {images} images; expected as many labels as images")


def check_label_dtype(dtype: np.dtype, where: str) -> None:
    """Refuses label arrays that are not made of integers or floats.

    Raises:
        InputError: for objects, text, booleans, complex and compound types.
    """
    if dtype.kind not in "uif":
        raise InputError(f"{where}: the labels are of type {dtype}; expected whole numbers")


def checked_labels(raw: np.ndarray, images: int, where: str) -> np.ndarray:
    """The labels as int64.

    Args:
        raw: [N] or [N, 1], integers, or floats that are whole numbers.
        images: N, the number of images.
        where: file and field, for the message.

    Returns:
        int64 [N], each in 0..MAX_LABEL.

    Raises:
        InputError: when shape or type is wrong, or a label is negative, not finite, not whole or too large.
    """
    check_label_dtype(raw.dtype, where)
    check_label_shape(raw.shape, images, where)
    flat = np.reshape(raw, -1)
    bad = ~((flat >= 0) & (flat <= MAX_LABEL))  # NaN is bad too
    if flat.dtype.kind == "f":
        bad |= flat != np.floor(flat)
    if bad.any():
        first = int(np.argmax(bad))
        raise InputError(
            f"{where}: label number {first} is {flat[first]}; expected whole numbers from 0 to {MAX_LABEL}"
        )
    return flat.astype(np.int64)
