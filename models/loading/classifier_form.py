"""Brings a network on paper into the form that all else reads, and says what was done.

All else reads images [height, width, 1 or 3] in, and softmax or logits of N >= 2 classes out. Common networks differ
from that in ways that change no answer:

- images without an axis for their one channel, or with the channels first;
- one sigmoid p, or the one logit under it, for two classes: a softmax of the logits 0 and z is 1 - p and p;
- a sigmoid for each class: opened as a softmax of the same logits. That is the probability of each class given that
  exactly one of them is there, and names the same class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from goodnet.models.loading.model_spec import Call, LayerSpec, LeafPath, ModelSpec, TensorRef, refs_in
from goodnet.models.loading.weight_matching import Weights

_CHANNELS = (1, 3)
_SIGMOIDS = ("math.sigmoid", "nn.sigmoid")


def in_classifier_form(spec: ModelSpec, weights: Weights) -> tuple[ModelSpec, Weights, list[str]]:
    """Makes a classifier of a network that is one in another form.

    Args:
        spec: the network.
        weights: its arrays; their shapes need not be checked yet.

    Returns:
        The network, its weights, and a line on each thing that was changed. What has another form still is left as it
        is, for `classifier_facts` to refuse.
    """
    if len(spec.inputs) != 1 or len(spec.outputs) != 1:
        return spec, weights, []
    spec, of_images = _with_image_input(spec)
    outputs = _with_class_outputs(spec, weights, ())
    if outputs is None:
        return spec, weights, of_images
    spec, weights, of_classes = outputs
    return spec, weights, [*of_images, of_classes]


def _with_image_input(spec: ModelSpec) -> tuple[ModelSpec, list[str]]:
    old = _layer(spec, spec.inputs[0])
    if not isinstance(old, LayerSpec) or old.kind != "InputLayer":
        return spec, []
    shape = old.settings["shape"]
    if shape is None or None in shape:
        return spec, []
    if len(shape) == 2:
        size, kind, settings = (*shape, 1), "Reshape", {"target_shape": list(shape)}
        said = f"it takes images of {_listed(shape)} without an axis for the channel"
    elif len(shape) == 3 and shape[0] in _CHANNELS and shape[2] not in _CHANNELS:
        size, kind, settings = (*shape[1:], shape[0]), "Permute", {"dims": [3, 1, 2]}
        said = "it takes images with their channels first"
    else:
        return spec, []
    name = f"{old.name}_image"
    while any(layer.name == name for layer in spec.layers):
        name += "_"
    image = LayerSpec("InputLayer", name, {**old.settings, "shape": size}, old.trainable, ())
    # In the input's place and under its name, so that whoever reads that reads this.
    turned = LayerSpec(kind, old.name, settings, True, (Call((TensorRef(name, 0, 0),), {}),))
    layers = [turned if layer is old else layer for layer in spec.layers]
    layers.insert(layers.index(turned), image)
    new = dataclasses.replace(spec, layers=tuple(layers), inputs=(TensorRef(name, 0, 0),))
    return new, [f"{said}; opened for images of {_listed(size)}"]


def _with_class_outputs(spec: ModelSpec, weights: Weights, above: LeafPath) -> tuple[ModelSpec, Weights, str] | None:
    """None where the outputs are left as they are."""
    last = _layer(spec, spec.outputs[0]) if len(spec.outputs) == 1 else None
    if isinstance(last, ModelSpec) and len(last.calls) == 1:
        inner = _with_class_outputs(last, weights, (*above, last.name))
        return None if inner is None else (_with_layers(spec, {last.name: inner[0]}), *inner[1:])
    after: list[LayerSpec] = []
    while (
        isinstance(last, LayerSpec)
        and _activation(last) is not None
        and last.kind != "Dense"
        and _is_read_once(spec, last)
    ):
        after.append(last)
        read = list(refs_in(last.calls[0].args))
        last = _layer(spec, read[0]) if len(read) == 1 else None
    if not isinstance(last, LayerSpec) or last.kind != "Dense" or not _is_read_once(spec, last):
        return None
    functions = [_activation(layer) for layer in (last, *after)]
    sigmoids = functions.count("sigmoid")
    units = last.settings["units"]
    if set(functions) - {"linear", "sigmoid"} or sigmoids > 1 or (units > 1 and not sigmoids):
        return None
    changed = {layer.name: _with_softmax(layer) for layer in (last, *after) if _activation(layer) == "sigmoid"}
    if units > 1:
        said = f"its {units} outputs are sigmoids; opened as a softmax of the same logits, which names the same class"
        return _with_layers(spec, changed), weights, said
    dense = changed.get(last.name, last)
    changed[last.name] = dataclasses.replace(dense, settings={**dense.settings, "units": 2})
    path = (*above, last.name)
    both = {**weights, path: [_after_zeros(array) for array in weights.get(path, ())]}
    kind = "sigmoid p; opened as two classes with 1 - p and p" if sigmoids else "logit; opened as two, the first one 0"
    return _with_layers(spec, changed), both, f"its output is one {kind}"


def _activation(layer: LayerSpec) -> str | None:
    """What a layer at the end of a network applies: a name, "linear" for nothing; None where it does something else."""
    if layer.kind in ("Dense", "Activation"):
        activation = layer.settings.get("activation", "linear")
        return activation if isinstance(activation, str) else "a layer"
    return "sigmoid" if layer.settings.get("function") in _SIGMOIDS else None


def _with_softmax(layer: LayerSpec) -> LayerSpec:
    if layer.kind == "Dense":
        return dataclasses.replace(layer, settings={**layer.settings, "activation": "softmax"})
    return dataclasses.replace(layer, kind="Activation", settings={"activation": "softmax"})


def _after_zeros(array: np.ndarray) -> np.ndarray:
    """Weights of a class whose logit is 0, in front of those of the other one."""
    return np.concatenate([np.zeros_like(array), array], axis=-1) if array.ndim else array


def _is_read_once(spec: ModelSpec, layer: LayerSpec) -> bool:
    everything: Sequence[Any] = [spec.outputs, [[call.args, call.kwargs] for one in spec.layers for call in one.calls]]
    return len(layer.calls) == 1 and sum(ref.layer == layer.name for ref in refs_in(everything)) == 1


def _layer(spec: ModelSpec, ref: TensorRef) -> LayerSpec | ModelSpec | None:
    return next((layer for layer in spec.layers if layer.name == ref.layer), None)


def _with_layers(spec: ModelSpec, changed: Mapping[str, LayerSpec | ModelSpec]) -> ModelSpec:
    return dataclasses.replace(spec, layers=tuple(changed.get(layer.name, layer) for layer in spec.layers))


def _listed(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
