"""Networks for images of any size are opened for one size: that of the images at hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from goodnet.data.errors import InputError
from goodnet.models.loading.model_spec import LayerSpec, ModelSpec, quoted

_EXPECTED = "expected the size of the images, which images beside the model tell"


def with_image_shape(spec: ModelSpec, image_shape: Sequence[int] | None) -> ModelSpec:
    """Gives the outermost model's input a size where it leaves one open.

    Args:
        spec: the network; of several inputs none is changed.
        image_shape: (height, width, channels) of the images; None where nobody knows.

    Returns:
        The network itself, or one whose input has this height and width.

    Raises:
        InputError: a size is open, and nobody says which, or the number of channels is another one.
    """
    inputs = [layer for layer in spec.layers if isinstance(layer, LayerSpec) and layer.kind == "InputLayer"]
    if len(inputs) != 1 or not inputs[0].settings["shape"] or None not in inputs[0].settings["shape"]:
        return spec
    shape = inputs[0].settings["shape"]
    where = f"layer {quoted(inputs[0].name)}: its images are {list(shape)}, None for any size"
    if image_shape is None:
        raise InputError(f"{where}; {_EXPECTED}")
    if len(shape) != len(image_shape) or any(
        extent not in (None, given) for extent, given in zip(shape, image_shape, strict=True)
    ):
        raise InputError(f"{where}; the images at hand are {list(image_shape)}; expected such as fit")
    sized = dataclasses.replace(inputs[0], settings={**inputs[0].settings, "shape": tuple(image_shape)})
    layers = tuple(sized if layer is inputs[0] else layer for layer in spec.layers)
    return dataclasses.replace(spec, layers=layers)
