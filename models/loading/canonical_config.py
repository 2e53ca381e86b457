"""A checked network as a configuration again: the one form in which it passes from process to process.

`read_config` makes of it the very ModelSpec that it was made of. Settings have Keras 2's names, calls Keras 3's form,
in which references to layers can't be mistaken for constants.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goodnet.models.loading.keras3_translation import KERAS_3_TENSOR
from goodnet.models.loading.model_spec import Call, LayerSpec, ModelSpec, TensorRef


def canonical_config(spec: ModelSpec) -> dict[str, Any]:
    """Writes a network down.

    Args:
        spec: as `read_config` returns it.

    Returns:
        What JSON can hold, with `class_name` and `config`.
    """
    settings: dict[str, Any] = {"name": spec.name}
    if spec.kind == "Sequential":
        settings["layers"] = [_layer(layer, in_chain=True) for layer in spec.layers if not _is_without_shape(layer)]
    else:
        settings["layers"] = [_layer(layer, in_chain=False) for layer in spec.layers]
        settings["input_layers"] = [[ref.layer, ref.call, ref.output] for ref in spec.inputs]
        settings["output_layers"] = [[ref.layer, ref.call, ref.output] for ref in spec.outputs]
    return {"class_name": spec.kind, "name": spec.name, "config": settings}


def _is_without_shape(layer: LayerSpec | ModelSpec) -> bool:
    """Of the input layers only one that reading added to a Sequential model."""
    return layer.kind == "InputLayer" and isinstance(layer, LayerSpec) and layer.settings["shape"] is None


def _layer(layer: LayerSpec | ModelSpec, in_chain: bool) -> dict[str, Any]:
    if isinstance(layer, ModelSpec):
        entry = canonical_config(layer)
    else:
        settings = dict(layer.settings)
        if layer.kind == "InputLayer":
            settings["batch_input_shape"] = (None, *settings.pop("shape"))
        settings = {**_value(settings), "trainable": layer.trainable}
        entry = {"class_name": layer.kind, "name": layer.name, "config": settings}
    return entry if in_chain else {**entry, "inbound_nodes": [_node(call) for call in layer.calls]}


def _node(call: Call) -> dict[str, Any]:
    return {"args": [_value(arg) for arg in call.args], "kwargs": _value(call.kwargs)}


def _value(value: Any) -> Any:
    if isinstance(value, TensorRef):
        return {"class_name": KERAS_3_TENSOR, "config": {"keras_history": [value.layer, value.call, value.output]}}
    if isinstance(value, slice):
        return {"start": value.start, "stop": value.stop, "step": value.step}
    if value is Ellipsis:
        return {"class_name": "__ellipsis__"}
    if isinstance(value, Mapping):
        return {key: _value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item) for item in value]
    return value
