"""A network must treat each image alone: the rules by which a function or a layer may not touch the batch axis.

A shape shows most of it: whatever flows between layers has the batch as its first axis, of a size that is not known
while the network is built, and no other axis of such a size. What a shape doesn't show is where an axis is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from goodnet.data.errors import InputError

_ALONE = "expected each image to be treated alone"
_NAMING_AXES = ("axis", "axes", "squeeze_dims", "dims")


def check_shapes(shapes: Sequence[Any]) -> None:
    """Checks the shapes of a layer's outputs, `tf.TensorShape`s.

    Raises:
        InputError: the first axis of one isn't the batch, or another one has no fixed size.
    """
    for shape in shapes:
        if shape.rank is None:
            raise InputError("its output has an unknown number of axes; expected a batch of arrays of a fixed size")
        extents = list(shape)
        if not extents or extents[0] is not None:
            raise InputError(f"its output has the shape {extents} whatever the number of images; {_ALONE}")
        if None in extents[1:]:
            raise InputError(
                f"its output has the shape {extents}, None for unknown; expected fixed sizes but the first"
            )


def check_axes(arguments: Mapping[str, Any], rank: int | None) -> None:
    """Checks what a layer's settings or a function's arguments say of axes.

    Args:
        arguments: by name.
        rank: number of axes of what flows in, the batch's counted; None where it is not known.

    Raises:
        InputError: one of them means the batch axis, or isn't a constant.
    """
    for name in _NAMING_AXES:
        for axis in _listed(arguments.get(name)):
            if type(axis) is not int:
                raise InputError(f"its {name} is no whole number; expected one")
            if axis == 0 or (rank is not None and axis == -rank):
                raise InputError(f"its {name} {axis} is the axis of the batch; {_ALONE}")


def check_function(function: str, arguments: Mapping[str, Any], rank: int | None) -> None:
    """Checks a call of a function whose first argument has `rank` axes; None for a constant.

    Raises:
        InputError: as `check_axes`, or the function takes images from the batch, or orders them anew.
    """
    if function.endswith("where") and not {"x", "y"} <= set(arguments):
        raise InputError(f"where without two values to choose from; {_ALONE}")
    if function.endswith("transpose") and _listed(arguments.get("perm"))[:1] != [0]:
        raise InputError(f"transpose moves the axis of the batch; {_ALONE}")
    if function.endswith("gather") and rank is not None:
        axis = arguments.get("axis")
        arguments = {"axis": arguments.get("batch_dims", 0) if axis is None else axis}
    if function == "image.per_image_standardization" and rank != 4:
        raise InputError(f"per_image_standardization of {rank} axes; {_ALONE}, of [batch, height, width, channels]")
    if function.endswith("squeeze") and not any(_listed(arguments.get(name)) for name in _NAMING_AXES):
        raise InputError("squeeze without an axis; expected one")
    if rank is not None and function not in ("expand_dims", "stack", "one_hot"):  # Their axis is one of the output.
        check_axes(arguments, rank)


def check_index(index: Sequence[Any], rank: int) -> None:
    """Checks what `tensor[index]` leaves of a tensor of `rank` axes.

    Raises:
        InputError: it doesn't keep all images, in their order.
    """
    first = index[0] if index else slice(None)
    if first is Ellipsis and sum(item is not None for item in index[1:]) < rank:
        return
    if not isinstance(first, slice) or first.stop is not None or first.start not in (None, 0) or first.step not in (
        None, 1,
    ):  # fmt: skip
        raise InputError(f"an index takes images from the batch; {_ALONE}")


def _listed(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]
