"""From a checked ModelSpec and its weights to a Keras 2 model."""

from __future__ import annotations

import collections
import contextlib
import heapq
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np

from goodnet.data.errors import InputError
from goodnet.models.legacy_keras import keras, tf
from goodnet.models.loading import batch_axis, op_rules
from goodnet.models.loading.channels_first import (
    TO_CHANNELS_FIRST,
    TO_CHANNELS_LAST,
    Turned,
    has_channels_first,
    on_turned,
)
from goodnet.models.loading.layer_rules import LAYER_RULES, expected_weights
from goodnet.models.loading.model_spec import Call, LayerSpec, LeafPath, ModelSpec, TensorRef, quoted, reason, refs_in
from goodnet.models.loading.network_cost import CostLimits, NetworkCost, layer_multiply_adds
from goodnet.models.loading.substitutes import (
    LAYERS_OF_AN_ACTIVATION,
    SUBSTITUTES,
    LayerCall,
    substitute_activation,
)
from goodnet.models.loading.weight_matching import Weights
from goodnet.models.own_names import without_own_prefix

_T = TypeVar("_T")
_Flowing: TypeAlias = "tf.Tensor | Turned"
_Tensors = dict[tuple[str, int], list[_Flowing]]


def build_model(
    spec: ModelSpec,
    weights: Weights,
    flat: bool = True,
    limits: CostLimits | None = None,
    at: Callable[[str], None] = lambda part: None,
) -> keras.Model:
    """Builds a network and gives it its weights.

    Each layer's weights must have the shapes that its settings ask for; this is checked before the layer allocates
    them. All layers are trainable afterwards, and initialisers are Keras' defaults.

    Args:
        spec: a checked configuration.
        weights: arrays for every layer that has some.
        flat: True to dissolve nested models into one graph; their layers keep their names where these are free, and
            get the nested model's name in front where not. Nested models that are kept may say nothing of the size
            of their images, and nothing that they cost is counted.
        limits: what the network may cost; None for the defaults.
        at: told which layer is being built.

    Returns:
        An uncompiled functional model.

    Raises:
        InputError: layers don't fit together, weights don't fit a layer, images are not treated each alone, or the
            network is too large.
    """
    builder = _Builder(weights, flat, NetworkCost(limits or CostLimits()), at)
    inputs, outputs = builder.graph(spec, (), None)
    return keras.Model(_single(inputs), _single(builder.turned_back(outputs, ())), name=_legal(spec.name))


class _Builder:
    def __init__(self, weights: Weights, flat: bool, cost: NetworkCost, at: Callable[[str], None]):
        self._weights = weights
        self._flat = flat
        self._cost = cost
        self._at = at
        # Of a path and whether it is called on turned tensors.
        self._layers: dict[tuple[LeafPath, bool], LayerCall] = {}
        self._models: dict[LeafPath, keras.Model] = {}
        self._names: set[str] = set()
        self._numbers: dict[str, int] = collections.defaultdict(int)

    def graph(
        self, spec: ModelSpec, above: LeafPath, given: list[_Flowing] | None
    ) -> tuple[list[_Flowing], list[_Flowing]]:
        """Calls every layer of a model; on its own input layers, or on tensors where it is dissolved."""
        inputs = self._inputs(spec, above, given)
        tensors: _Tensors = {(ref.layer, 0): [tensor] for ref, tensor in zip(spec.inputs, inputs, strict=True)}
        offsets = _first_call_numbers(spec)
        for layer, number in _in_order(spec, offsets):
            call = layer.calls[number]
            filled = Call(_filled(call.args, tensors, offsets), _filled(call.kwargs, tensors, offsets))
            tensors[layer.name, number] = self._call(layer, (*above, layer.name), filled)
        return inputs, [_resolve(ref, tensors, offsets) for ref in spec.outputs]

    def _inputs(self, spec: ModelSpec, above: LeafPath, given: list[_Flowing] | None) -> list[_Flowing]:
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
            self._check(layer, [], inputs[-1:], 0)
        return inputs

    def _call(self, layer: LayerSpec | ModelSpec, path: LeafPath, call: Call) -> list[_Flowing]:
        self._at(f"layer {quoted('/'.join(path))}")
        if isinstance(layer, ModelSpec):
            return self._nested(layer, path, call)
        if (only_turned := _permuted(layer, call)) is not None:
            return [only_turned]
        flowing = _flowing_in([call.args, call.kwargs])
        turned = None
        if has_channels_first(layer) or (flowing and all(isinstance(one, Turned) for one in flowing)):
            turned = on_turned(layer)
        adapted = layer if turned is None else turned
        turn = self.turned_back if turned is None else self._all_turned
        call = Call(turn(call.args, path), turn(call.kwargs, path))
        outputs = _carefully(lambda: self._leaf(adapted, path, call, turned is not None), layer.name, layer.kind)
        given = _flowing_in([call.args, call.kwargs])
        self._check(adapted, given, outputs, self._multiply_adds(adapted, given, outputs))
        # Of places that were pooled or flattened none are left.
        return [Turned(one) if turned is not None and one.shape.rank == 4 else one for one in outputs]

    def turned_back(self, value: Any, path: LeafPath) -> Any:
        """The value with all tensors in it as the file's network has them."""
        return _each(
            value, lambda one: self._permute(one.tensor, TO_CHANNELS_FIRST, path) if isinstance(one, Turned) else one
        )

    def _all_turned(self, value: Any, path: LeafPath) -> Any:
        """The value with all tensors in it with channels last."""

        def turned(one: _Flowing) -> tf.Tensor:
            if isinstance(one, Turned):
                return one.tensor
            return one if one.shape.rank == 2 else self._permute(one, TO_CHANNELS_LAST, path)

        return _each(value, turned)

    def _permute(self, tensor: tf.Tensor, dims: Sequence[int], path: LeafPath) -> tf.Tensor:
        name = self._free_name((*path[:-1], f"{path[-1] if path else 'output'}_turned"))
        permuted = _carefully(lambda: keras.layers.Permute(dims, name=name)(tensor), name, "Permute")
        if self._flat:
            self._cost.count(name, [tensor.shape], [permuted.shape])
        return permuted

    def _check(
        self, layer: LayerSpec | ModelSpec, given: Sequence[tf.Tensor], outputs: Sequence[tf.Tensor], multiply_adds: int
    ) -> None:
        """Images treated alone, and not too many numbers; of nested models that are kept sizes may be unknown."""
        if self._flat:
            flowing_in, flowing_out = ([tensor.shape for tensor in side] for side in (given, outputs))
            _about(layer, lambda: batch_axis.check_shapes(flowing_out))
            self._cost.count(layer.name, flowing_in, flowing_out, multiply_adds)

    def _multiply_adds(self, layer: LayerSpec, given: Sequence[tf.Tensor], outputs: Sequence[tf.Tensor]) -> int:
        if not self._flat or layer.kind not in LAYER_RULES:
            return 0
        shapes = expected_weights(layer.kind, layer.settings, given[0].shape[1:])
        if (inside := LAYER_RULES[layer.kind].inside) is not None:
            largest = max((tuple(tensor.shape[1:]) for tensor in given), key=math.prod)
            made, multiply_adds = inside(layer.settings, largest)
            self._cost.count(layer.name, [], [(None, *shape) for shape in made], multiply_adds)
        return layer_multiply_adds(layer.settings, shapes, outputs[0].shape)

    def _nested(self, spec: ModelSpec, path: LeafPath, call: Call) -> list[_Flowing]:
        if not self._flat:
            call = Call(self.turned_back(call.args, path), call.kwargs)
        if len(call.args) != 1 or call.kwargs:
            raise InputError(f"model {quoted(spec.name)} is called with extra arguments; expected its inputs only")
        given = call.args[0] if isinstance(call.args[0], list) else [call.args[0]]
        if not given or not all(_flows(one) for one in given):
            raise InputError(f"model {quoted(spec.name)} is called on constants; expected outputs of other layers")
        if self._flat:
            return self.graph(spec, path, given)[1]
        if path not in self._models:
            inner = _Builder(
                {inner[len(path) :]: arrays for inner, arrays in self._weights.items() if inner[: len(path)] == path},
                False,
                self._cost,
                self._at,
            )
            inputs, outputs = inner.graph(_with_input_shapes(spec, given), (), None)
            outputs = inner.turned_back(outputs, ())
            self._models[path] = keras.Model(_single(inputs), _single(outputs), name=self._free_name(path))
        return _listed(_carefully(lambda: self._models[path](_single(given)), spec.name, "model"))

    def _leaf(self, spec: LayerSpec, path: LeafPath, call: Call, turned: bool) -> list[tf.Tensor]:
        if spec.kind in ("TFOpLambda", "SlicingOpLambda"):
            return self._operation(spec, path, call)
        rule = LAYER_RULES[spec.kind]
        argument, given = _called_on(spec, call)
        if rule.build is None:
            return given
        _about(spec, lambda: batch_axis.check_axes(spec.settings, given[0].shape.rank))
        if (path, turned) in self._layers:
            return _listed(self._layers[path, turned](argument))
        weights = self._fitting_weights(spec, path, given[0].shape[1:])
        outputs, self._layers[path, turned] = self._first_call(spec, path, weights, argument, given[0].shape[1:])
        return outputs

    def _first_call(
        self,
        spec: LayerSpec,
        path: LeafPath,
        weights: list[np.ndarray],
        argument: Any,
        input_shape: tuple[int | None, ...],
    ) -> tuple[list[tf.Tensor], LayerCall]:
        """A layer's outputs, and what further calls are of."""

        def name(suffix: str) -> str:
            return self._free_name((*path[:-1], f"{path[-1]}_{suffix}" if suffix else path[-1]))

        settings = dict(spec.settings)
        dtype = settings.pop("dtype", "float32")
        if len(settings.get("noise_shape") or input_shape) not in (len(input_shape), len(input_shape) + 1):
            raise InputError(f"layer {quoted(spec.name)} ({spec.kind}): a noise_shape of another number of axes")
        if spec.kind in SUBSTITUTES:
            substitute = _about(spec, lambda: SUBSTITUTES[spec.kind](settings, weights, input_shape, name))
            return _listed(substitute(argument)), substitute
        # Integers flow through functions such as argmax; layers with weights calculate in float32 whatever was stored.
        own_name = name("")
        after = substitute_activation(settings.get("activation"), name, _built_in)
        if after is not None:
            settings["activation"] = "linear"
        layer = _built_in(spec.kind, {**settings, "dtype": "float32" if weights else dtype}, own_name)
        call: LayerCall = (lambda tensors: layer(*tensors)) if LAYER_RULES[spec.kind].arguments else layer
        with _without_random_weights(layer):
            outputs = _listed(call(argument))
        if weights:
            layer.set_weights(weights)
        if after is None:
            return outputs, call
        if isinstance(activation := spec.settings["activation"], dict):
            rank = outputs[0].shape.rank
            _about(spec, lambda: batch_axis.check_axes(activation["config"], rank))
        if self._flat:
            self._cost.count(spec.name, [], LAYERS_OF_AN_ACTIVATION * [outputs[0].shape])
        return _listed(after(outputs[0])), lambda tensors: after(call(tensors))

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
        function = spec.settings["function"]
        where = f"layer {quoted(spec.name)} ({quoted(function)})"
        name = self._free_name(path)
        if len(call.args) != 1:
            raise InputError(f"{where} is called with {len(call.args)} arguments without a name; expected one")
        if not _flowing_in([call.args, call.kwargs]):
            raise InputError(f"{where} is called on constants; expected outputs of other layers")
        kwargs = dict(call.kwargs)
        first = _flowing_in(call.args)
        rank = first[0].shape.rank if first else None
        if spec.kind == "SlicingOpLambda":
            if rank is None or set(kwargs) != {"slice_spec"}:
                raise InputError(f"{where}: an index without a tensor; expected both")
            _about(spec, lambda: batch_axis.check_index(kwargs["slice_spec"], rank))
            kwargs["slice_spec"] = _without_ellipsis(kwargs["slice_spec"], rank)
        else:
            _about(spec, lambda: batch_axis.check_function(function, kwargs, rank))
        op_layers = keras.src.layers.core.tf_op_layer
        if spec.kind == "SlicingOpLambda":
            layer = op_layers.SlicingOpLambda(tf.__operators__.getitem, name=name)
            # The layer keeps what it is called with in its configuration, where slices can't be written.
            args, kwargs = tf.nest.map_structure(op_layers._slice_to_dict, (list(call.args), kwargs))
            return _listed(layer(*args, **kwargs))
        built_in = _built_in_equivalent(function, call.args, kwargs, name)
        if built_in is not None:
            return _listed(built_in())
        layer = op_layers.TFOpLambda(op_rules.FUNCTIONS[function], name=name)
        return _listed(layer(*call.args, **kwargs))

    def _free_name(self, path: LeafPath) -> str:
        """The layer's own name where it is free, else with the names of the models around it in front."""
        candidates = [_legal("_".join(path[start:])) for start in range(len(path) - 1, -1, -1)]
        name = next((candidate for candidate in candidates if candidate not in self._names), candidates[-1])
        while name in self._names:
            self._numbers[candidates[-1]] += 1
            name = f"{candidates[-1]}_{self._numbers[candidates[-1]]}"
        self._names.add(name)
        return name


def _without_ellipsis(index: Sequence[Any], rank: int) -> tuple[Any, ...]:
    """The same index of a tensor of `rank` axes; Keras' own files have no word for an ellipsis."""
    if index.count(Ellipsis) != 1:
        return tuple(index)
    place = index.index(Ellipsis)
    others = sum(item is not None for item in index) - 1
    return (*index[:place], *[slice(None)] * (rank - others), *index[place + 1 :])


def _in_order(spec: ModelSpec, offsets: Mapping[str, int]) -> Iterator[tuple[LayerSpec | ModelSpec, int]]:
    """Every call of every layer, by its number, after those whose outputs it reads; in the file's order where free."""
    layers = {layer.name: layer for layer in spec.layers if layer.kind != "InputLayer"}
    readers: dict[tuple[str, int], list[tuple[str, int]]] = collections.defaultdict(list)
    missing: dict[tuple[str, int], int] = {}
    there = {(ref.layer, 0) for ref in spec.inputs}
    for name, layer in layers.items():
        if not layer.calls:
            raise InputError(f"layer {quoted(name)} is not used; expected none such")
        for number, call in enumerate(layer.calls):
            read = {(ref.layer, ref.call - offsets.get(ref.layer, 0)) for ref in refs_in([call.args, call.kwargs])}
            if number:
                read.add((name, number - 1))
            missing[name, number] = len(read - there)
            for source in read - there:
                readers[source].append((name, number))
    place = {name: index for index, name in enumerate(layers)}
    ready = [(place[name], number, name) for (name, number), count in missing.items() if not count]
    heapq.heapify(ready)
    done = 0
    while ready:
        _, number, name = heapq.heappop(ready)
        yield layers[name], number
        done += 1
        for reader in readers[name, number]:
            missing[reader] -= 1
            if not missing[reader]:
                heapq.heappush(ready, (place[reader[0]], reader[1], reader[0]))
    if done < len(missing):
        name = next(name for (name, _), count in missing.items() if count)
        raise InputError(
            f"layer {quoted(name)} waits for itself or for one that is not there; expected a graph without cycles"
        )


def _called_on(spec: LayerSpec, call: Call) -> tuple[Any, list[tf.Tensor]]:
    """What a layer is called on, a tensor or a list of them, and all of these tensors."""
    rule = LAYER_RULES[spec.kind]
    where = f"layer {quoted(spec.name)} ({spec.kind})"
    if rule.arguments:
        # Files of Keras 2 put the first argument into a list of one.
        args = [arg[0] if isinstance(arg, list) and len(arg) == 1 else arg for arg in call.args]
        named = dict(zip(rule.arguments, args, strict=False)) | dict(call.kwargs)
        given = [named[name] for name in rule.arguments if named.get(name) is not None]
        known = len(call.args) + len(call.kwargs) == len(named) and set(named) <= set(rule.arguments)
        if not known or len(given) < 2 or not all(_is_tensor(tensor) for tensor in given):
            raise InputError(f"{where} is called on {len(call.args)} inputs and {quoted([*call.kwargs])}; expected"
                             f" {', '.join(rule.arguments)}")  # fmt: skip
        if {len(tensor.shape) for tensor in given} != {3} or len({tensor.shape[-1] for tensor in given}) > 1:
            raise InputError(f"{where}: its inputs have the shapes {[list(tensor.shape[1:]) for tensor in given]};"
                             " expected [positions, channels] with as many channels in each")  # fmt: skip
        return given, given
    if len(call.args) != 1 or call.kwargs:
        raise InputError(f"{where} is called with extra arguments; expected one input")
    argument = call.args[0]
    if isinstance(argument, list) and len(argument) == 1:
        argument = argument[0]
    given = argument if isinstance(argument, list) else [argument]
    if not 0 < len(given) <= rule.most_inputs or not all(_is_tensor(tensor) for tensor in given):
        raise InputError(f"{where} is called on {len(given)} inputs or constants")
    return argument, given


def _built_in(kind: str, settings: Mapping[str, Any], name: str) -> keras.layers.Layer:
    return LAYER_RULES[kind].build(**settings, name=name)  # type: ignore[misc]


def _about(layer: LayerSpec | ModelSpec, check: Callable[[], _T]) -> _T:
    try:
        return check()
    except InputError as error:
        function = layer.settings.get("function") if isinstance(layer, LayerSpec) else None
        raise InputError(
            f"layer {quoted(layer.name)} ({quoted(function) if function else layer.kind}): {error}"
        ) from None


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
        raise InputError(
            f"layer {quoted(name)} ({kind}) can't be called on its input ({reason(error)}); expected one that can"
        ) from error


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
    if function == "image.resize" and set(kwargs) <= {"size", "method"}:
        size = kwargs.get("size")
        if (
            not isinstance(size, list)
            or len(size) != 2
            or not all(type(one) is int and 0 < one <= 4096 for one in size)
        ):
            raise InputError(f"layer {quoted(name)}: it resizes to {quoted(size)}; expected [height, width], 1 to 4096")
        method = str(kwargs.get("method", "bilinear")).lower()
        return lambda: layers.Resizing(*size, interpolation=method, name=name)(args[0])
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


def _permuted(layer: LayerSpec, call: Call) -> _Flowing | None:
    """What a layer gives that only turns a tensor; None where it does something else."""
    flowing = _flowing_in(call.args)
    if layer.kind != "Permute" or len(flowing) != 1 or len(call.args) != 1:
        return None
    [given] = flowing
    if isinstance(given, Turned):
        return given.tensor if layer.settings["dims"] == TO_CHANNELS_LAST else None
    return Turned(given) if layer.settings["dims"] == TO_CHANNELS_FIRST and given.shape.rank == 4 else None


def _resolve(ref: TensorRef, tensors: _Tensors, offsets: Mapping[str, int]) -> _Flowing:
    outputs = tensors.get((ref.layer, ref.call - offsets.get(ref.layer, 0)), [])
    if ref.output >= len(outputs):
        raise InputError(f"output {ref.output} of layer {quoted(ref.layer)}; expected one that it has")
    return outputs[ref.output]


def _filled(value: Any, tensors: _Tensors, offsets: Mapping[str, int]) -> Any:
    """The value with tensors in place of references."""
    return _each(value, lambda ref: _resolve(ref, tensors, offsets), lambda one: isinstance(one, TensorRef))


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "_keras_history")


def _flows(value: Any) -> bool:
    return isinstance(value, Turned) or _is_tensor(value)


def _each(value: Any, change: Callable[[Any], Any], concerned: Callable[[Any], bool] = _flows) -> Any:
    """The value with what is concerned in nested lists, tuples and dictionaries changed."""
    if concerned(value):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _each(item, change, concerned) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_each(item, change, concerned) for item in value)
    return value


def _flowing_in(value: Any) -> list[Any]:
    """All tensors, turned or not, in nested lists, tuples and dictionaries."""
    found: list[Any] = []
    _each(value, found.append)
    return found


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
    name = without_own_prefix(re.sub(r"[^A-Za-z0-9_.\-]", "_", name[:200]))
    return name if re.match(r"[A-Za-z0-9.]", name) else "layer" + name


def _single(tensors: list[tf.Tensor]) -> tf.Tensor | list[tf.Tensor]:
    return tensors[0] if len(tensors) == 1 else tensors


def _listed(tensors: tf.Tensor | list[tf.Tensor]) -> list[tf.Tensor]:
    return list(tensors) if isinstance(tensors, list | tuple) else [tensors]
