"""Opens layers with channels first as the same layers with channels last, which is what runs on a CPU.

What flows between such layers is kept with channels last and marked as turned. Layers that take places and channels
for what they are, or each number for itself, do the same to turned tensors. All others get them turned back. So every
network computes what it does with channels first, and one that has them first throughout is not turned at all.
"""

import dataclasses
from dataclasses import dataclass

from goodnet.data.errors import InputError
from goodnet.models.legacy_keras import tf
from goodnet.models.loading.layer_rules import LAYER_RULES
from goodnet.models.loading.model_spec import LayerSpec, quoted

# Dimensions of Permute, which count from 1.
TO_CHANNELS_FIRST, TO_CHANNELS_LAST = [3, 1, 2], [2, 3, 1]
_FOR_EACH_NUMBER = (
    "Activation", "ReLU", "LeakyReLU", "ELU", "ThresholdedReLU", "Dropout", "AlphaDropout", "GaussianDropout",
    "SpatialDropout2D", "GaussianNoise", "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum",
)  # fmt: skip
_ALONG_AN_AXIS = (
    "BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization", "Softmax", "Concatenate",
)  # fmt: skip
_TURNED_AXES = {1: 3, 2: 1, 3: 2, -3: 3, -2: 1, -1: 2}
# They run along the last axis.
_SOFTMAXES = ("softmax", "log_softmax")


@dataclass(frozen=True)
class Turned:
    """A tensor of the file's network, [B, C, H, W], kept as [B, H, W, C]."""

    tensor: tf.Tensor


def has_channels_first(layer: LayerSpec) -> bool:
    """Whether the layer itself says that channels come first."""
    return layer.settings.get("data_format") == "channels_first"


def on_turned(layer: LayerSpec) -> LayerSpec | None:
    """The layer that does to turned tensors what this one does to those of the file's network, and gives turned ones.

    Returns:
        None where there is none.

    Raises:
        InputError: it has channels first, and an activation that tells the axes apart.
    """
    settings = layer.settings
    activation = settings.get("activation")
    tells_axes_apart = activation in _SOFTMAXES if isinstance(activation, str) else activation is not None
    if has_channels_first(layer):
        if tells_axes_apart:
            raise InputError(
                f"layer {quoted(layer.name)} ({layer.kind}): channels first and an activation along the last axis;"
                " expected the activation as a layer of its own"
            )
        return dataclasses.replace(layer, settings={**settings, "data_format": "channels_last"})
    if layer.kind in _ALONG_AN_AXIS:
        axes = settings.get("axis", -1)
        # Along several axes weights would have to be turned, too.
        axis = axes[0] if isinstance(axes, list) and len(axes) == 1 else axes
        if not isinstance(axis, int) or axis not in _TURNED_AXES:
            return None
        return dataclasses.replace(layer, settings={**settings, "axis": _TURNED_AXES[axis]})
    each_number = layer.kind in _FOR_EACH_NUMBER and not tells_axes_apart and settings.get("noise_shape") is None
    left_out = layer.kind in LAYER_RULES and LAYER_RULES[layer.kind].build is None
    return layer if each_number or left_out else None
