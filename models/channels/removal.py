"""Taking closed channels out of a network for real, so that the file shrinks and the device saves the work.

A channel leaves the layer that makes it, everything it passes (batch norm, activation, pooling, depthwise convolution,
Flatten, Concatenate, Add) and every layer that takes it in. Where a closed channel has become a constant on the way (a
batch norm turns 0 into its shift), the constant goes into the bias of what reads it, if that is exact. Where a skip
connection ties it to a channel that is not closed, or a layer is in the way that can't be cut, it stays, as zeros. The
result is run beside the original, layer by layer, before it is handed out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from goodnet.models.channels.flow import trace_channels
from goodnet.models.channels.layer_graph import layer_graph
from goodnet.models.channels.removal_check import check_reduced
from goodnet.models.channels.removal_plan import RemovalPlan, plan_removal
from goodnet.models.channels.silenced_channels import silence
from goodnet.models.channels.weight_slicing import cut_layer
from goodnet.models.legacy_keras import keras
from goodnet.models.model_copy import copy_architecture

_COUNTED = (keras.layers.Conv2D, keras.layers.SeparableConv2D, keras.layers.DepthwiseConv2D)


@dataclass(frozen=True)
class ConvolutionSize:
    """Output channels of one convolution, before and after."""

    name: str
    channels_before: int
    channels_after: int


@dataclass(frozen=True)
class KeptChannels:
    """Closed channels that stay in the network, as zeros, and why."""

    site: str
    channels: tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class RemovalReport:
    """What removing channels did.

    Attributes:
        convolutions: size of each convolution, depthwise ones included, in topological order.
        parameters_before: parameters of the model, non-trainable ones included.
        parameters_after: the same of the reduced model.
        kept: closed channels that could not be removed, by site and reason.
        largest_difference: largest difference between the two models' outputs on the images of the check.
    """

    convolutions: tuple[ConvolutionSize, ...]
    parameters_before: int
    parameters_after: int
    kept: tuple[KeptChannels, ...]
    largest_difference: float


@dataclass(frozen=True)
class Removal:
    """A reduced model and how it came about."""

    model: keras.Model
    report: RemovalReport


def remove_channels(
    model: keras.Model, closed: Mapping[str, np.ndarray], images: np.ndarray | None = None
) -> keras.Model:
    """The reduced model of `reduce_model`, without the report."""
    return reduce_model(model, closed, images).model


def reduce_model(
    model: keras.Model,
    closed: Mapping[str, np.ndarray],
    images: np.ndarray | None = None,
    tolerance: float = 1e-5,
) -> Removal:
    """Removes closed channels from a model.

    The reduced model computes what the model would with these channels set to zero at these layers' outputs. Channels
    that stay as zeros do so by their weights, so training may bring them back.

    Args:
        model: a flat functional or Sequential model without gates (`strip_gates`); stays as it is.
        closed: for some layers, by name, which channels of the output are closed: bool [C]. Usually gate sites
            (`closed_channels`).
        images: float32 [B, H, W, C] in the model's own input scale, for the check; random ones when None.
        tolerance: largest difference accepted by the check, as in `check_equal`.

    Returns:
        A plain, uncompiled Keras model with the same layer names, dtypes and trainable flags, and a report.

    Raises:
        InputError: the model's graph is not supported, `closed` doesn't fit it, or a closed channel can neither be
            removed nor be made zero.
        ArithmeticError: the reduced model differs from the original by more than the tolerance.
    """
    graph = layer_graph(model)
    plan = plan_removal(trace_channels(graph, {name: np.asarray(mask, bool) for name, mask in closed.items()}))
    weights = {name: layer.get_weights() for name, layer in graph.layers.items()}
    for site, mask in plan.flow.closed.items():
        if (staying := mask & plan.kept(site)).any():
            silence(graph, weights, site, staying)
    reduced = _rebuild(model, plan, weights)
    return Removal(reduced, _report(model, reduced, plan, check_reduced(plan, reduced, images, tolerance)))


def _rebuild(model: keras.Model, plan: RemovalPlan, weights: Mapping[str, list[np.ndarray]]) -> keras.Model:
    new_weights: dict[str, list[np.ndarray]] = {}

    def reduced_copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        cut = plan.cut(layer.name)
        config, new_weights[layer.name] = layer.get_config(), weights[layer.name]
        if cut is not None:
            config, new_weights[layer.name] = cut_layer(layer, weights[layer.name], cut)
        return type(layer).from_config(config)

    reduced = copy_architecture(model, reduced_copy)
    for name, arrays in new_weights.items():
        reduced.get_layer(name).set_weights(arrays)
    return reduced


def _report(model: keras.Model, reduced: keras.Model, plan: RemovalPlan, largest_difference: float) -> RemovalReport:
    flow = plan.flow
    sizes = tuple(
        ConvolutionSize(name, flow.size(name), int(plan.kept(name).sum()))
        for name, layer in flow.graph.layers.items()
        if type(layer) in _COUNTED
    )
    kept: dict[tuple[str, str], list[int]] = {}
    for site, mask in flow.closed.items():
        roots = flow.roots(site)
        for channel in np.flatnonzero(mask & plan.kept(site)).tolist():
            kept.setdefault((site, plan.reasons[int(roots[channel])]), []).append(channel)
    return RemovalReport(
        convolutions=sizes,
        parameters_before=model.count_params(),
        parameters_after=reduced.count_params(),
        kept=tuple(KeptChannels(site, tuple(channels), reason) for (site, reason), channels in kept.items()),
        largest_difference=largest_difference,
    )
