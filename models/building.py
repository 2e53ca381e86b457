"""From a checked ModelSpec and its weights to a Keras 2 model."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from data.errors import InputError
from models import op_rules
from models.layer_rules import LAYER_RULES, expected_weights
from models.legacy_keras import keras, tf
from models.model_spec import Call, LayerSpec, LeafPath, ModelSpec, TensorRef, quoted, refs_in
from models.weight_matching import Weights

_LARGEST_OUTPUT = 2**26
_LARGEST_SUM = 2**28
_NORMALIZATION_EPSILON = 1e-7
_Tensors = dict[tuple[str, int], list[tf.Tensor]]


def build_model(spec: ModelSpec, weights: Weights, flat: bool = True) -> keras.Model:
    """Builds a network and gives it its weights.

    Each layer's weights must have the shapes that its settings ask for; this is checked before the layer allocates
    them. All layers are trainable afterwards, and initialisers are Keras' defaults.

    Args:
        spec: a checked configuration.
        weights: arrays for every layer that has some.
        flat: True to dissolve nested models into one graph; their layers keep their names where these are free, and
            get the nested model's name in front where not.

    Returns:
        An uncompiled functional model.

    Raises:
        InputError: layers don't fit together, weights don't fit a layer, or the network is too large.
    """
    builder = _Builder(weights, flat)
    inputs, outputs = builder.graph(spec, (), None)
    return keras.Model(_single(inputs), _single(outputs), name=_legal(spec.name))


class _Builder:
    def __init__(self, weights: Weights, flat: bool):
        self._weights = weights
        self._flat = flat
        self._layers: dict[LeafPath, keras.layers.Layer] = {}
        self._models: dict[LeafPath, keras.Model] = {}
        self._names: set[str] = set()
        self._calls = 0
        self._sum = 0

    def graph(
        self, spec: ModelSpec, above: LeafPath, given: list[tf.Tensor] | None
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """Calls every layer of a model; on its own input layers, or on tensors where it is dissolved."""
        inputs = self._inputs(spec, above, given)
        tensors: _Tensors = {(ref.layer, 0): [tensor] for ref, tensor in zip(spec.inputs, inputs, strict=True)}
        offsets = _first_call_numbers(spec)
        waiting = [layer for layer in spec.layers if layer.kind != "InputLayer"]
        done = dict.fromkeys((layer.name for layer in waiting), 0)
        while waiting:
            before = self._calls
            for layer in waiting:
                self._call_as_far_as_possible(layer, (*above, layer.name), tensors, offsets, done)
            waiting = [layer for layer in waiting if done[layer.name] < len(layer.calls)]
            if waiting and self._calls == before:
                raise InputError(
                    f"layer {quoted(waiting[0].name)} waits for itself or for one that is not there; expected a graph"
                    " without cycles"
                )
        return inputs, [_resolve(ref, tensors, offsets) for ref in spec.outputs]

    def _inputs(self, spec: ModelSpec, above: LeafPath, given: list[tf.Tensor] | None) -> list[tf.Tensor]:
        by_name = {layer.name: layer for layer in spec.layers if layer.kind == "InputLayer"}
        asked = [ref.layer for ref in spec.inputs]
        if set(asked) != set(by_name) or len(set(asked)) != len(asked):
            raise InputError(f"model {quoted(spec.name)}: its inputs are {quoted(asked)}; expected its input layers")
        if given is not None:
            if len(given) != len(asked):
                raise InputError(f"model {quoted(spec.name)} is called on {len(given)} tensors; expected {len(asked)}")
            return given
        inputs = []
        for name in asked:
            layer = by_name[name]
            shape = layer.settings["shape"] if isinstance(layer, LayerSpec) else None
            if shape is None:
                raise InputError(
                    f"model {quoted(spec.name)}: nothing says how large its images are; expected an input layer"
                )
            inputs.append(keras.Input(shape, name=self._free_name((*above, name)), dtype="float32"))
            self._count(inputs[-1], name)
        return inputs

    def _call_as_far_as_possible(
        self, layer: LayerSpec | ModelSpec, path: LeafPath, tensors: _Tensors, offsets: Mapping[str, int], done: dict
    ) -> None:
        if not layer.calls:
            raise InputError(f"layer {quoted(layer.name)} is not used; expected none such")
        while done[layer.name] < len(layer.calls):
            call = layer.calls[done[layer.name]]
            if not all(
                (ref.layer, ref.call - offsets.get(ref.layer, 0)) in tensors
                for ref in refs_in([call.args, call.kwargs])
            ):
                return
            self._calls += 1
            filled = Call(_filled(call.args, tensors, offsets), _filled(call.kwargs, tensors, offsets))
            outputs = (
                self._nested(layer, path, filled) if isinstance(layer, ModelSpec) else self._leaf(layer, path, filled)
            )
            for output in outputs:
                self._count(output, layer.name)
            tensors[layer.name, done[layer.name]] = outputs
            done[layer.name] += 1

    def _nested(self, spec: ModelSpec, path: LeafPath, call: Call) -> list[tf.Tensor]:
        if len(call.args) != 1 or call.kwargs:
            raise InputError(f"model {quoted(spec.name)} is called with extra arguments; expected its inputs only")
        given = call.args[0] if isinstance(call.args[0], list) else [call.args[0]]
        if not given or not all(_is_tensor(tensor) for tensor in given):
            raise InputError(f"model {quoted(spec.name)} is called on constants; expected outputs of other layers")
        if self._flat:
            return self.graph(spec, path, given)[1]
        if path not in self._models:
            inner = _Builder(
                {inner[len(path) :]: arrays for inner, arrays in self._weights.items() if inner[: len(path)] == path},
                False,
            )
            inner._calls, inner._sum = self._calls, self._sum
            inputs, outputs = inner.graph(_with_input_shapes(spec, given), (), None)
            self._calls, self._sum = inner._calls, inner._sum
            self._models[path] = keras.Model(_single(inputs), _single(outputs), name=self._free_name(path))
        return _listed(_carefully(lambda: self._models[path](_single(given)), spec.name, "model"))

    def _leaf(self, spec: LayerSpec, path: LeafPath, call: Call) -> list[tf.Tensor]:
        if spec.kind in ("TFOpLambda", "SlicingOpLambda"):
            return self._operation(spec, path, call)
        rule = LAYER_RULES[spec.kind]
        if len(call.args) != 1 or call.kwargs:
            raise InputError(
                f"layer {quoted(spec.name)} ({spec.kind}) is called with extra arguments; expected one input"
            )
        argument = call.args[0]
        if isinstance(argument, list) and len(argument) == 1:
            argument = argument[0]
        given = argument if isinstance(argument, list) else [argument]
        if not 0 < len(given) <= rule.most_inputs or not all(_is_tensor(tensor) for tensor in given):
            raise InputError(f"layer {quoted(spec.name)} ({spec.kind}) is called on {len(given)} inputs or constants")
        if rule.build is None:
            return given
        if path in self._layers:
            return _listed(_carefully(lambda: self._layers[path](argument), spec.name, spec.kind))
        weights = self._fitting_weights(spec, path, given[0].shape[1:])
        layer = _carefully(lambda: self._new_layer(spec, path, weights, given[0].shape[1:]), spec.name, spec.kind)
        with _without_random_weights(layer):
            outputs = _listed(_carefully(lambda: layer(argument), spec.name, spec.kind))
        if weights and spec.kind != "Normalization":
            _carefully(lambda: layer.set_weights(weights), spec.name, spec.kind)
        self._layers[path] = layer
        return outputs

    def _new_layer(
        self, spec: LayerSpec, path: LeafPath, weights: list[np.ndarray], input_shape: tuple[int | None, ...]
    ) -> keras.layers.Layer:
        settings = dict(spec.settings)
        dtype = settings.pop("dtype", "float32")
        name = self._free_name(path)
        if spec.kind == "Normalization":
            return _normalization(settings, weights, input_shape, name)
        # Integers flow through functions such as argmax; layers with weights calculate in float32 whatever was stored.
        return LAYER_RULES[spec.kind].build(**settings, name=name, dtype="float32" if weights else dtype)  # type: ignore[misc]

    def _fitting_weights(
        self, spec: LayerSpec, path: LeafPath, input_shape: tuple[int | None, ...]
    ) -> list[np.ndarray]:
        where = f"layer {quoted(spec.name)} ({spec.kind})"
        try:
            expected = expected_weights(spec.kind, spec.settings, input_shape)
        except (ValueError, IndexError) as error:
            raise InputError(f"{where}: expected {error}") from None
        arrays = list(self._weights.get(path, ()))
        if len(arrays) != len(expected):
            raise InputError(f"{where}: {len(arrays)} weights in the file; expected {len(expected)}")
        for (name, shape), array in zip(expected.items(), arrays, strict=True):
            if array.shape != shape:
                raise InputError(
                    f"{where}: {name} has the shape {array.shape} in the file; expected {quoted(shape)[1:-1]}"
                )
        return arrays

    def _operation(self, spec: LayerSpec, path: LeafPath, call: Call) -> list[tf.Tensor]:
        where = f"layer {quoted(spec.name)} ({quoted(spec.settings['function'])})"
        name = self._free_name(path)
        if not _tensors_in([call.args, call.kwargs]):
            raise InputError(f"{where} is called on constants; expected outputs of other layers")
        kwargs = dict(call.kwargs)
        op_layers = keras.src.layers.core.tf_op_layer
        if spec.kind == "SlicingOpLambda":
            layer = op_layers.SlicingOpLambda(tf.__operators__.getitem, name=name)
            # The layer keeps what it is called with in its configuration, where slices can't be written.
            args, kwargs = tf.nest.map_structure(op_layers._slice_to_dict, (list(call.args), kwargs))
            return _listed(_carefully(lambda: layer(*args, **kwargs), spec.name, spec.kind))
        built_in = _built_in_equivalent(spec.settings["function"], call.args, kwargs, name)
        if built_in is not None:
            return _listed(_carefully(built_in, spec.name, spec.kind))
        layer = op_layers.TFOpLambda(op_rules.FUNCTIONS[spec.settings["function"]], name=name)
        return _listed(_carefully(lambda: layer(*call.args, **kwargs), spec.name, spec.kind))

    def _free_name(self, path: LeafPath) -> str:
        """The layer's own name where it is free, else with the names of the models around it in front."""
        candidates = [_legal("_".join(path[start:])) for start in range(len(path) - 1, -1, -1)]
        number = 1
        while candidates[0] in self._names:
            candidates.pop(0)
            if not candidates:
                candidates.append(f"{_legal('_'.join(path))}_{number}")
                number += 1
        self._names.add(candidates[0])
        return candidates[0]

    def _count(self, tensor: tf.Tensor, name: str) -> None:
        size = math.prod(extent or 1 for extent in tensor.shape)
        self._sum += size
        if size > _LARGEST_OUTPUT or self._sum > _LARGEST_SUM:
            raise InputError(
                f"layer {quoted(name)}: {size} numbers an image, {self._sum} up to here; expected at most"
                f" {_LARGEST_OUTPUT} and {_LARGEST_SUM}"
            )


@contextlib.contextmanager
def _without_random_weights(layer: keras.layers.Layer) -> Iterator[None]:
    """The file's weights follow at once; drawing others first takes several times their memory."""
    initializers = {name: value for name, value in vars(layer).items() if name.endswith("_initializer")}
    for name in initializers:
        setattr(layer, name, keras.initializers.Zeros())
    yield
    for name, value in initializers.items():
        setattr(layer, name, value)


def _carefully(build: Callable[[], Any], name: str, kind: str) -> Any:
    """What Keras has against a layer is the file's fault: its settings were checked, how layers are joined wasn't."""
    try:
        return build()
    except InputError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = re.sub(r"[^\x20-\x7e]", "?", " ".join(lines))[:160]
        raise InputError(
            f"layer {quoted(name)} ({kind}) can't be called on its input ({reason}); expected one that can"
        ) from error


def _normalization(
    settings: Mapping[str, Any], weights: list[np.ndarray], input_shape: tuple[int | None, ...], name: str
) -> keras.layers.Layer:
    """A Rescaling that does what the Normalization layer did: (x - mean) / max(sqrt(variance), 1e-7)."""
    axis = settings.get("axis", -1)
    if axis not in (None, -1, len(input_shape)):
        raise InputError(f"layer {quoted(name)}: it normalises along axis {axis}; expected channels, the last one")
    mean, variance = weights[:2] if weights else (settings["mean"], settings.get("variance"))
    if variance is None:
        raise InputError(f"layer {quoted(name)}: a mean without a variance; expected both")
    scale = 1 / np.maximum(np.sqrt(np.asarray(variance, np.float64)), _NORMALIZATION_EPSILON)
    offset = -np.asarray(mean, np.float64) * scale
    return keras.layers.Rescaling(np.squeeze(scale).tolist(), np.squeeze(offset).tolist(), name=name)


_MERGES = {
    "__operators__.add": "Add",
    "math.add": "Add",
    "math.subtract": "Subtract",
    "math.multiply": "Multiply",
    "math.maximum": "Maximum",
    "math.minimum": "Minimum",
}


def _built_in_equivalent(
    function: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], name: str
) -> Callable[[], tf.Tensor] | None:
    """A layer that means the same, where there is one: surgery and classifier facts know layers, not functions."""
    layers = keras.layers
    given = [*args, *kwargs.values()]
    if function in _MERGES and len(given) == 2 and all(_is_tensor(value) for value in given):
        left, right = given
        if left.shape.as_list() == right.shape.as_list() and left.dtype == right.dtype:
            return lambda: getattr(layers, _MERGES[function])(name=name)([left, right])
    if function == "concat" and set(kwargs) == {"axis"} and isinstance(args[0], list) and len(args[0]) > 1:
        if all(_is_tensor(value) for value in args[0]):
            return lambda: layers.Concatenate(axis=kwargs["axis"], name=name)(args[0])
        return None
    if len(args) != 1 or not _is_tensor(args[0]):
        return None
    if function == "nn.relu" and not kwargs:
        return lambda: layers.Activation("relu", name=name)(args[0])
    if function == "nn.softmax" and kwargs.get("axis", -1) in (None, -1):
        return lambda: layers.Softmax(name=name)(args[0])
    if function == "math.reduce_mean" and kwargs.get("axis") == [1, 2] and args[0].shape.rank == 4:
        return lambda: layers.GlobalAveragePooling2D(keepdims=bool(kwargs.get("keepdims")), name=name)(args[0])
    return None


def _first_call_numbers(spec: ModelSpec) -> dict[str, int]:
    """Nested models whose calls count from 1 (most files) and not from 0: the last one has the number of calls."""
    counts = {layer.name: len(layer.calls) for layer in spec.layers if isinstance(layer, ModelSpec)}
    highest = dict.fromkeys(counts, 0)
    for ref in refs_in([spec.outputs, [[call.args, call.kwargs] for layer in spec.layers for call in layer.calls]]):
        if ref.layer in highest:
            highest[ref.layer] = max(highest[ref.layer], ref.call)
    return {name: 1 for name, count in counts.items() if highest[name] == count}


def _resolve(ref: TensorRef, tensors: _Tensors, offsets: Mapping[str, int]) -> tf.Tensor:
    outputs = tensors.get((ref.layer, ref.call - offsets.get(ref.layer, 0)), [])
    if ref.output >= len(outputs):
        raise InputError(f"output {ref.output} of layer {quoted(ref.layer)}; expected one that it has")
    return outputs[ref.output]


def _filled(value: Any, tensors: _Tensors, offsets: Mapping[str, int]) -> Any:
    """The value with tensors in place of references."""
    if isinstance(value, TensorRef):
        return _resolve(value, tensors, offsets)
    if isinstance(value, Mapping):
        return {key: _filled(item, tensors, offsets) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_filled(item, tensors, offsets) for item in value)
    if isinstance(value, list):
        return [_filled(item, tensors, offsets) for item in value]
    return value


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "_keras_history")


def _tensors_in(value: Any) -> list[tf.Tensor]:
    if _is_tensor(value):
        return [value]
    if isinstance(value, Mapping):
        return [tensor for item in value.values() for tensor in _tensors_in(item)]
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in _tensors_in(item)]
    return []


def _with_input_shapes(spec: ModelSpec, given: list[tf.Tensor]) -> ModelSpec:
    """A model whose file doesn't say what it takes, told by what it is called on."""
    shapes = {ref.layer: tuple(tensor.shape[1:]) for ref, tensor in zip(spec.inputs, given, strict=False)}
    layers = tuple(
        LayerSpec(layer.kind, layer.name, {**layer.settings, "shape": shapes[layer.name]}, layer.trainable, layer.calls)
        if isinstance(layer, LayerSpec) and layer.name in shapes and layer.settings["shape"] is None
        else layer
        for layer in spec.layers
    )
    return ModelSpec(spec.kind, spec.name, layers, spec.inputs, spec.outputs, spec.calls)


def _legal(name: str) -> str:
    """A name that TensorFlow's scopes and Keras 3 take: neither spaces nor slashes."""
    name = re.sub(r"[^A-Za-z0-9_.\-]", "_", name)[:200]
    return name if re.match(r"[A-Za-z0-9.]", name) else "layer" + name


def _single(tensors: list[tf.Tensor]) -> tf.Tensor | list[tf.Tensor]:
    return tensors[0] if len(tensors) == 1 else tensors


def _listed(tensors: tf.Tensor | list[tf.Tensor]) -> list[tf.Tensor]:
    return list(tensors) if isinstance(tensors, list | tuple) else [tensors]
