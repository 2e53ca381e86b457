"""Runs a reduced model beside the original whose channels are closed by masks, and compares them layer by layer."""

from collections.abc import Mapping, Sequence

import numpy as np

from goodnet.data.errors import InputError
from goodnet.models.channels.flow import trace_channels
from goodnet.models.channels.layer_graph import TensorHook, layer_graph
from goodnet.models.channels.removal_plan import RemovalPlan, plan_removal
from goodnet.models.legacy_keras import keras, tf
from goodnet.models.loading.model_spec import quoted


def check_equal(
    model: keras.Model,
    closed: Mapping[str, np.ndarray],
    reduced: keras.Model,
    images: np.ndarray | None = None,
    tolerance: float = 1e-5,
) -> float:
    """Checks that a reduced model computes what the original does with closed channels set to zero.

    Not only the outputs are compared (a softmax can hide much) but in every layer all channels that have nothing to do
    with a closed one.

    Args:
        model: the original.
        closed: for some of its layers which channels of the output are closed: bool [C].
        reduced: what `remove_channels` made of it.
        images: float32 [B, H, W, C] in the model's own input scale; random ones when None.
        tolerance: largest difference accepted. For each image and layer differences are relative to the largest value
            that it gives or reads, if that is above 1: of logits in the thousands, a softmax turns what float32 rounds
            away into another probability.

    Returns:
        The largest difference between the two models' outputs.

    Raises:
        ArithmeticError: a layer of the reduced model differs by more than the tolerance.
        InputError: the original gives NaN or infinite values, so that nothing can be compared.
    """
    plan = plan_removal(trace_channels(layer_graph(model), closed))
    return check_reduced(plan, reduced, images, tolerance)


def check_reduced(plan: RemovalPlan, reduced: keras.Model, images: np.ndarray | None, tolerance: float) -> float:
    """`check_equal` for a caller that has the plan already."""
    graph, reduced_graph = plan.flow.graph, layer_graph(reduced)
    batches = [_random_images(graph.shape(name)[1:]) if images is None else images for name in graph.inputs]
    steps = graph.between(graph.inputs, graph.outputs)
    gates = {site: _gate(~mask) for site, mask in plan.flow.closed.items()}
    expected = graph.run(dict(zip(graph.inputs, batches, strict=True)), steps, gates)
    actual = reduced_graph.run(dict(zip(reduced_graph.inputs, batches, strict=True)), steps)
    differences: dict[str, float] = {}
    for name in steps:
        compared = plan.open(name)
        want, got = np.asarray(expected[name]), np.asarray(actual[name])
        if not np.isfinite(want).all():
            raise InputError(
                f"layer {quoted(name)} gives NaN or infinite values; expected numbers on any image, or channels"
                " can't be removed"
            )
        if want.ndim > 1:
            kept = plan.kept(name)
            if got.shape[-1] != kept.sum():
                raise ArithmeticError(f"layer {name!r} has {got.shape[-1]} channels left, expected {kept.sum()}")
            want, got = want[..., compared], got[..., compared[kept]]
        differences[name] = _difference(want, got, [np.asarray(expected[read]) for read in graph.predecessors[name]])
        if not differences[name] <= tolerance:
            raise ArithmeticError(
                f"removing channels changes the output of layer {name!r} by {differences[name]:.2g}, "
                f"expected at most {tolerance:.2g}"
            )
    return max(differences[name] for name in graph.outputs)


def _difference(want: np.ndarray, got: np.ndarray, read: Sequence[np.ndarray]) -> float:
    """Largest difference over images, each relative to its own largest value, given or read, where that is above 1."""
    largest = [np.abs(values.reshape(len(values), -1)).max(axis=1, initial=0) for values in (want, *read)]
    scale = np.maximum(np.max(largest, axis=0), 1)
    off = np.abs(want.astype(np.float64) - got.astype(np.float64)).reshape(len(want), -1).max(axis=1, initial=0)
    return float((off / scale).max())


def _gate(opened: np.ndarray) -> TensorHook:
    return lambda value: value * tf.cast(opened, value.dtype)


def _random_images(shape: tuple[int | None, ...]) -> np.ndarray:
    """Two images of about -2..2 and two of 0..255, as the model's input scale is not known: float32 [4, H, W, C]."""
    sizes = [64 if size is None else size for size in shape]
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(size=(2, *sizes)), rng.uniform(0, 255, (2, *sizes))]).astype(np.float32)
