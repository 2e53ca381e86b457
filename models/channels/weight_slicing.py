"""A layer's configuration and weights with some of its channels left out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodnet.models.legacy_keras import keras

Weights = Sequence[np.ndarray]


@dataclass(frozen=True)
class Cut:
    """Which channels of one layer are kept, and the constant values of those that are removed.

    Attributes:
        kept_in: bool [C], which channels of the first tensor it reads stay.
        kept_out: bool [C'], which channels of its output stay.
        constants: float32 [C], the value of the channels it reads that go (the others are not looked at).
    """

    kept_in: np.ndarray
    kept_out: np.ndarray
    constants: np.ndarray

    @property
    def shift(self) -> np.ndarray:
        """float64 [C]: what a layer no longer gets from the channels that go; 0 for those that stay."""
        return np.where(self.kept_in, 0.0, self.constants.astype(np.float64))


def cut_layer(layer: keras.layers.Layer, weights: Weights, cut: Cut) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The configuration and the weights that a layer has after the cut.

    Args:
        layer: a layer of a kind that `channel_flow` knows.
        weights: its weights, in Keras's order.
        cut: what to leave out.

    Returns:
        The layer's `get_config()`, changed where needed, and the new weights in Keras's order.
    """
    config = layer.get_config()
    rule = _RULES.get(type(layer))
    return rule(config, list(weights), cut) if rule else (config, list(weights))


def _mixing(size: str, config: dict[str, Any], weights: Weights, cut: Cut) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Dense layer or convolution: the kernel's last axes are channels in and out."""
    kernel, *bias = weights
    added = (cut.shift @ kernel.reshape(-1, *kernel.shape[-2:]).sum(axis=0)).astype(kernel.dtype)
    config, bias = _with_bias(config, bias, added, cut)
    return {**config, size: int(cut.kept_out.sum())}, [kernel[..., cut.kept_in, :][..., cut.kept_out], *bias]


def _separable(config: dict[str, Any], weights: Weights, cut: Cut) -> tuple[dict[str, Any], list[np.ndarray]]:
    depthwise, pointwise, *bias = weights
    between = np.repeat(cut.kept_in, config["depth_multiplier"])
    added = (cut.shift[:, None] * depthwise.sum(axis=(0, 1))).reshape(-1) @ pointwise[0, 0]
    config, bias = _with_bias(config, bias, added.astype(pointwise.dtype), cut)
    kernels = [depthwise[:, :, cut.kept_in], pointwise[:, :, between][..., cut.kept_out]]
    return {**config, "filters": int(cut.kept_out.sum())}, [*kernels, *bias]


def _with_bias(
    config: dict[str, Any], bias: Weights, added: np.ndarray, cut: Cut
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Adds to the bias. A layer without one gets one, if there is something to add."""
    if not bias and not added.any():
        return config, []
    total = added + bias[0] if bias else added
    return {**config, "use_bias": True}, [total[cut.kept_out]]


def _depthwise(config: dict[str, Any], weights: Weights, cut: Cut) -> tuple[dict[str, Any], list[np.ndarray]]:
    kernel, *bias = weights
    return config, [kernel[:, :, cut.kept_in], *(vector[cut.kept_out] for vector in bias)]


def _each_channel(config: dict[str, Any], weights: Weights, cut: Cut) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Batch norm, PReLU: the weights' last axis is the channels, unless all share one number."""
    size = len(cut.kept_out)
    return config, [array[..., cut.kept_out] if array.shape[-1] == size else array for array in weights]


def _reshape(config: dict[str, Any], weights: Weights, cut: Cut) -> tuple[dict[str, Any], list[np.ndarray]]:
    *positions, last = config["target_shape"]
    new_last = int(cut.kept_out.sum()) if last != -1 else -1
    return {**config, "target_shape": (*positions, new_last)}, list(weights)


_RULES: dict[type, Callable[[dict[str, Any], list[np.ndarray], Cut], tuple[dict[str, Any], list[np.ndarray]]]] = {
    keras.layers.Conv2D: lambda config, weights, cut: _mixing("filters", config, weights, cut),
    keras.layers.Dense: lambda config, weights, cut: _mixing("units", config, weights, cut),
    keras.layers.SeparableConv2D: _separable,
    keras.layers.DepthwiseConv2D: _depthwise,
    keras.layers.BatchNormalization: _each_channel,
    keras.layers.PReLU: _each_channel,
    keras.layers.Reshape: _reshape,
}
