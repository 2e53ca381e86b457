"""From a model's JSON configuration to a checked ModelSpec; nothing is built and no code of the file's is looked at."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from goodnet.data.errors import InputError
from goodnet.models.loading import op_rules
from goodnet.models.loading import settings_checks as checks
from goodnet.models.loading.keras3_translation import KERAS_3_TENSOR, is_keras_3_operation, operation_call
from goodnet.models.loading.layer_rules import LAYER_RULES, as_in_keras_3, check_layer
from goodnet.models.loading.model_spec import Call, LayerSpec, ModelSpec, TensorRef, quoted, refs_in

_MOST_CHARACTERS = 2**24
# The largest networks of keras.applications have about a thousand layers.
_MOST_LAYERS = 2048
_MOST_CALLS_OF_ONE = 64
_MOST_CALLS = 2048
# What all layers read together; networks whose every layer reads all before it have some tens of thousands.
_MOST_READ = 2**15
_DEEPEST = 8
# Nested lists and dictionaries: some three for every level of models, and a few for settings and arguments.
_DEEPEST_JSON = 100
_MODEL_KINDS = ("Functional", "Model", "Sequential")
_GRAPH = {"layers", "input_layers", "output_layers"}
# tfmot's wrappers, which only training needs.
_WRAPPERS = ("PruneLowMagnitude", "ClusterWeights")
_HOW_TO_SAVE = (
    "its code would have to run; if its layers are Keras' own, save keras.Model(image, model.call(image)) with image ="
    " keras.Input(...)"
)
_OP_KINDS = ("TFOpLambda", "SlicingOpLambda")
_BUILT_IN_MODULES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")
# Keras 2 registers this layer of its InceptionResNetV2 as if it were somebody's own.
_REGISTERED_BY_KERAS = {"Custom>CustomScaleLayer": "CustomScaleLayer"}
_CONSTANT = "_CONSTANT_VALUE"
_NO_ACTION = {
    **dict.fromkeys(("mask", "attention_mask", "query_mask", "value_mask", "key_mask"), (None,)),
    **dict.fromkeys(("training", "return_attention_scores", "use_causal_mask"), (None, False)),
    "name": None,
}


def parse_json(text: str | bytes | bytearray, what: str) -> Any:
    """Parses JSON that nobody vouches for.

    Args:
        text: the JSON.
        what: its name, for messages.

    Returns:
        Dictionaries, lists, strings, finite numbers, flags and None.

    Raises:
        InputError: too long, nested too deep, a key twice, a number that is not finite, or no JSON at all.
    """
    if len(text) > _MOST_CHARACTERS:
        raise InputError(f"{what}: {len(text)} characters; expected at most {_MOST_CHARACTERS}")
    try:
        parsed = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
        _check_depth(parsed)
        return parsed
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what}: no valid JSON ({str(error).splitlines()[0][:120]})") from None


def read_config(config: Any, keras_3: bool = False) -> ModelSpec:
    """Checks a model's configuration against the allow-list.

    A subclass of Model that stores a functional graph is that graph; its own `call` is code, which is never read.

    Args:
        config: parsed JSON with `class_name` and `config`, of Keras 2 or Keras 3.
        keras_3: whether Keras 3 wrote it: some names mean something else there.

    Returns:
        The network on paper.

    Raises:
        InputError: anything in it is unknown, malformed or not allowed.
    """
    kind, settings = _kind_and_settings(config, "the model")
    if kind not in _MODEL_KINDS:
        raise InputError(
            f"the model is of class {quoted(kind)}; expected Functional or Sequential, not a class of its own"
            f" ({_HOW_TO_SAVE})"
        )
    spec = _Reader(keras_3).model(config, kind, settings, calls=(), depth=0)
    calls, read = _calls_and_read(spec)
    if calls > _MOST_CALLS:
        raise InputError(f"layers are called {calls} times; expected at most {_MOST_CALLS}")
    if read > _MOST_READ:
        raise InputError(f"layers read {read} outputs of other layers; expected at most {_MOST_READ}")
    return spec


def _calls_and_read(spec: ModelSpec) -> tuple[int, int]:
    """Calls of layers, and what they read, when a model is called once; nested models called twice multiply."""
    calls = read = 0
    for layer in spec.layers:
        inner = _calls_and_read(layer) if isinstance(layer, ModelSpec) else (0, 0)
        calls += len(layer.calls) * (1 + inner[0])
        read += len(layer.calls) * inner[1] + sum(
            1 for _ in refs_in([[call.args, call.kwargs] for call in layer.calls])
        )
    return calls, read


class _Reader:
    """Counts layers over all nested models, so that their number is bounded."""

    def __init__(self, keras_3: bool) -> None:
        self._layers = 0
        self._keras_3 = keras_3

    def model(self, entry: Mapping, kind: str, settings: Any, calls: tuple[Call, ...], depth: int) -> ModelSpec:
        if depth > _DEEPEST:
            raise InputError(f"models nested deeper than {_DEEPEST}; expected fewer levels")
        listed = settings if isinstance(settings, list) else settings.get("layers")
        name = str(settings.get("name", "model")) if isinstance(settings, dict) else "sequential"
        if not isinstance(listed, list) or not listed:
            raise InputError(f"model {quoted(name)}: no list of layers; expected one")
        if kind == "Sequential":
            return self._sequential(name, entry, settings, listed, calls, depth)
        layers = tuple(self._layer(item, depth) for item in listed)
        spec = ModelSpec(
            "Functional",
            name,
            layers,
            _ends(settings.get("input_layers"), name, "input_layers"),
            _ends(settings.get("output_layers"), name, "output_layers"),
            calls,
            None if entry["class_name"] in _MODEL_KINDS else entry["class_name"],
        )
        _check_names(spec)
        return spec

    def _sequential(
        self, name: str, entry: Mapping, settings: Any, listed: list, calls: tuple[Call, ...], depth: int
    ) -> ModelSpec:
        layers = [self._layer(item, depth) for item in listed]
        if layers[0].kind != "InputLayer":
            shape = _sequential_shape(entry, settings, listed[0])
            layers.insert(
                0, LayerSpec("InputLayer", _free_name("input", layers), {"shape": shape, "dtype": "float32"}, True, ())
            )
        chained: list[LayerSpec | ModelSpec] = [layers[0]]
        for layer in layers[1:]:
            chained.append(_called(layer, Call((TensorRef(chained[-1].name, 0, 0),), {})))
        first, last = TensorRef(layers[0].name, 0, 0), TensorRef(layers[-1].name, 0, 0)
        spec = ModelSpec("Sequential", name, tuple(chained), (first,), (last,), calls)
        _check_names(spec)
        return spec

    def _layer(self, entry: Any, depth: int) -> LayerSpec | ModelSpec:
        self._layers += 1
        if self._layers > _MOST_LAYERS:
            raise InputError(f"more than {_MOST_LAYERS} layers; expected fewer")
        if isinstance(entry, dict) and entry.get("class_name") in _WRAPPERS:
            return self._wrapped(entry, depth)
        kind, settings = _kind_and_settings(entry, f"layer number {self._layers}")
        name = _layer_name(entry, settings)
        where = f"layer {quoted(name)} ({quoted(kind)})"
        if is_keras_3_operation(entry):
            nodes = [_arguments(node, where) for node in _nodes(entry, where)]
            return _with_checked_constants(operation_call(entry, name, nodes), where)
        calls = tuple(_call(node, where) for node in _nodes(entry, where))
        if kind in _MODEL_KINDS:
            model = self.model(entry, kind, settings, calls, depth + 1)
            return ModelSpec(model.kind, name, model.layers, model.inputs, model.outputs, calls, model.own_class)
        if not isinstance(settings, dict):
            raise InputError(f"{where}: its configuration is no dictionary; expected one")
        trainable = settings.get("trainable") is not False
        if kind == "InputLayer":
            return LayerSpec(kind, name, _input_settings(settings, where), trainable, ())
        if kind in _OP_KINDS:
            operation = LayerSpec(kind, name, _op_settings(kind, settings, where), trainable, calls)
            return _with_checked_constants(operation, where)
        checked = check_layer(kind, name, settings)
        if "dtype" in settings and LAYER_RULES[kind].build is not None:
            checked["dtype"] = _setting(checks.dtype, settings["dtype"], where, "dtype")
        if self._keras_3:
            checked = as_in_keras_3(kind, checked)
        return LayerSpec(kind, name, checked, trainable, calls)

    def _wrapped(self, entry: Mapping, depth: int) -> LayerSpec:
        """The layer inside one of tfmot's wrappers, in the wrapper's place and under its name."""
        wrapper, settings = entry["class_name"], entry.get("config")
        name = _layer_name(entry, settings)
        where = f"layer {quoted(name)} ({wrapper})"
        if not isinstance(settings, dict):
            raise InputError(f"{where}: its configuration is no dictionary; expected one")
        inner = settings.get("layer")
        if not isinstance(inner, dict) or not isinstance(inner.get("config"), dict):
            raise InputError(f"{where}: no layer in it; expected one")
        if settings.get("preserve_sparsity") or settings.get("cluster_per_channel"):
            raise InputError(
                f"{where}: clusters that keep zeros, or of each channel; expected what tfmot's strip_clustering makes"
                " of the model"
            )
        nodes = {"inbound_nodes": entry["inbound_nodes"]} if "inbound_nodes" in entry else {}
        layer = self._layer({**inner, "config": {**inner["config"], "name": name}, "name": name, **nodes}, depth)
        if not isinstance(layer, LayerSpec) or layer.wrapper is not None:
            raise InputError(f"{where}: a model or a wrapper in it; expected a layer")
        return dataclasses.replace(layer, wrapper=wrapper)


def _kind_and_settings(entry: Any, where: str) -> tuple[str, Any]:
    if not isinstance(entry, dict) or not isinstance(entry.get("class_name"), str):
        raise InputError(f"{where}: no class name; expected one")
    module, registered = entry.get("module"), entry.get("registered_name")
    kind: str = _REGISTERED_BY_KERAS.get(entry["class_name"]) or entry["class_name"]
    if kind == "Lambda":
        raise InputError(f"{where} is a Lambda: it carries code, which is never read; expected built-in layers only")
    if kind not in _MODEL_KINDS and isinstance(entry.get("config"), dict) and set(entry["config"]) >= _GRAPH:
        return "Functional", entry["config"]
    if ">" in kind or (
        isinstance(registered, str) and _REGISTERED_BY_KERAS.get(registered, registered) not in (kind, "keras." + kind)
    ):
        raise InputError(f"{where}: a custom class {quoted(registered or kind)}; expected built-in layers only")
    if module is not None and not _is_built_in(module):
        raise InputError(f"{where}: class {quoted(kind)} of module {quoted(module)}; expected one of Keras' own")
    settings = entry.get("config")
    if not isinstance(settings, dict) and not (kind == "Sequential" and isinstance(settings, list)):
        raise InputError(f"{where} ({quoted(kind)}): its configuration is no dictionary; expected one")
    return kind, settings


def _is_built_in(module: Any) -> bool:
    return isinstance(module, str) and any(
        module == root or module.startswith(root + ".") for root in _BUILT_IN_MODULES
    )


def _layer_name(entry: Mapping, settings: Any) -> str:
    inner = settings.get("name") if isinstance(settings, dict) else None
    name = entry.get("name", inner)
    if name is None:
        name = inner
    if not isinstance(name, str) or not name or len(name) > 256:
        raise InputError(
            f"a layer ({quoted(entry.get('class_name'))}) has the name {quoted(name)}; expected a short text"
        )
    return name


def _setting(check: checks.Check, value: Any, where: str, name: str) -> Any:
    try:
        return check(value)
    except ValueError as error:
        raise InputError(f"{where}: {name} is {quoted(value)}; expected {error}") from None


def _input_settings(settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    if settings.get("sparse") or settings.get("ragged"):
        raise InputError(f"{where}: a sparse or ragged input; expected a dense one")
    shape = settings.get("batch_shape", settings.get("batch_input_shape"))
    dtype = _setting(checks.dtype, settings.get("dtype"), where, "dtype")
    return {"shape": _setting(checks.image_shape, shape, where, "its shape"), "dtype": dtype}


def _op_settings(kind: str, settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    function = settings.get("function")
    known = op_rules.FUNCTIONS if kind == "TFOpLambda" else (op_rules.GET_ITEM,)
    if not isinstance(function, str) or function not in known:
        raise InputError(
            f"{where}: it calls the function {quoted(function)}; expected one of the arithmetic ones allowed"
        )
    return {"function": function}


def _with_checked_constants(operation: LayerSpec, where: str) -> LayerSpec:
    def checked(name: str, value: Any) -> Any:
        if name == "slice_spec":
            return _setting(op_rules.slices, value, where, f"the argument {quoted(name)}")
        function = operation.settings.get("function", "")
        return _setting(
            lambda given: op_rules.check_text(function, name, given), value, where, f"the argument {quoted(name)}"
        )

    calls = tuple(
        Call(
            tuple(checked("", arg) for arg in call.args),
            {name: checked(name, arg) for name, arg in call.kwargs.items()},
        )
        for call in operation.calls
    )
    names = {name for call in calls for name in call.kwargs}
    if not all(name.isascii() and name.isidentifier() for name in names):
        # TensorFlow crashes on the name of an argument that is no UTF-8.
        raise InputError(f"{where}: it is called with {quoted(sorted(names))}; expected names of arguments")
    return LayerSpec(operation.kind, operation.name, operation.settings, operation.trainable, calls)


def _nodes(entry: Mapping, where: str) -> list:
    nodes = entry.get("inbound_nodes", [])
    if not isinstance(nodes, list) or len(nodes) > _MOST_CALLS_OF_ONE:
        raise InputError(f"{where}: inbound_nodes; expected a list of at most {_MOST_CALLS_OF_ONE}")
    return nodes


def _call(node: Any, where: str) -> Call:
    call = _arguments(node, where)
    kwargs = {}
    for name, value in call.kwargs.items():
        if name == "training" and isinstance(node, dict):
            continue  # Keras 3 stores defaults too, and overrides them by the mode in which the whole model is called.
        if name in _NO_ACTION:
            accepted = _NO_ACTION[name]
            if accepted is not None and value not in accepted:
                raise InputError(
                    f"{where}: called with {name}={quoted(value)}; expected nothing that changes inference"
                )
        else:
            kwargs[name] = value
    return Call(call.args, kwargs)


def _arguments(node: Any, where: str) -> Call:
    try:
        if isinstance(node, dict):
            return _keras_3_node(node)
        return _keras_2_node(node)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        raise InputError(f"{where}: it is called on something unknown; expected outputs of other layers") from None


def _keras_3_node(node: Mapping) -> Call:
    args, kwargs = node["args"], node["kwargs"]
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise ValueError("args and kwargs")
    return Call(tuple(_with_keras_3_refs(arg) for arg in args), {k: _with_keras_3_refs(v) for k, v in kwargs.items()})


def _with_keras_3_refs(value: Any) -> Any:
    if isinstance(value, dict) and value.get("class_name") == KERAS_3_TENSOR:
        layer, call, output = value["config"]["keras_history"]
        return _ref(layer, call, output)
    if isinstance(value, list):
        return [_with_keras_3_refs(item) for item in value]
    return value


def _keras_2_node(node: Any) -> Call:
    """A node is one entry [layer, call, output, kwargs], or a list of them; each holds the same kwargs."""
    if not isinstance(node, list) or not node:
        raise ValueError("a list")
    single = isinstance(node[0], str)
    entries = [node] if single else node
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for entry in entries:
        if not isinstance(entry, list) or not 3 <= len(entry) <= 4:
            raise ValueError("a list of three or four")
        args.append(entry[2] if entry[0] == _CONSTANT else _ref(*entry[:3]))
        kwargs = entry[3] if len(entry) == 4 else {}
    if not isinstance(kwargs, dict):
        raise ValueError("a dictionary")
    # One entry inside a list is one tensor, except for functions such as tf.concat: there, the list was the argument.
    argument = args[0] if single else args
    return Call((argument,), {name: _with_keras_2_refs(value) for name, value in kwargs.items()})


def _with_keras_2_refs(value: Any) -> Any:
    if isinstance(value, list):
        if len(value) == 3 and isinstance(value[0], str) and type(value[1]) is int and type(value[2]) is int:
            return _ref(*value)
        return [_with_keras_2_refs(item) for item in value]
    return value


def _ref(layer: Any, call: Any, output: Any) -> TensorRef:
    if not isinstance(layer, str) or type(call) is not int or type(output) is not int or call < 0 or output < 0:
        raise ValueError("a layer's name and two numbers")
    return TensorRef(layer, call, output)


def _ends(listed: Any, name: str, what: str) -> tuple[TensorRef, ...]:
    try:
        entries = [listed] if isinstance(listed[0], str) else listed
        if isinstance(entries, list) and 1 <= len(entries) <= 64:
            return tuple(_ref(*entry) for entry in entries)
    except (ValueError, TypeError, KeyError, IndexError):
        pass
    raise InputError(f"model {quoted(name)}: {what} is {quoted(listed)}; expected a list of layers")


def _sequential_shape(entry: Mapping, settings: Any, first: Mapping) -> tuple[int | None, ...] | None:
    """Where a Sequential model without an input layer says what it takes; None when it does not."""
    inner = first.get("config")
    built = entry.get("build_config")
    candidates = (
        inner.get("batch_input_shape") if isinstance(inner, dict) else None,
        inner.get("batch_shape") if isinstance(inner, dict) else None,
        settings.get("build_input_shape") if isinstance(settings, dict) else None,
        built.get("input_shape") if isinstance(built, dict) else None,
    )
    shape = next((candidate for candidate in candidates if candidate is not None), None)
    return None if shape is None else _setting(checks.image_shape, shape, "the model", "its input shape")


def _called(layer: LayerSpec | ModelSpec, call: Call) -> LayerSpec | ModelSpec:
    if isinstance(layer, ModelSpec):
        return dataclasses.replace(layer, calls=(call,))
    if layer.kind == "InputLayer":
        raise InputError(f"layer {quoted(layer.name)}: a second input; expected one input, first in the model")
    return dataclasses.replace(layer, calls=(call,))


def _check_names(spec: ModelSpec) -> None:
    names = [layer.name for layer in spec.layers]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise InputError(f"model {quoted(spec.name)}: two layers named {quoted(twice)}; expected one")


def _free_name(name: str, layers: list) -> str:
    taken = {layer.name for layer in layers}
    while name in taken:
        name += "_"
    return name


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _check_depth(parsed: Any) -> None:
    """Without recursion, so that whatever comes after it may walk over what was parsed by recursion."""
    level = [parsed]
    for _ in range(_DEEPEST_JSON):
        level = [
            item
            for value in level
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    raise ValueError(f"nested deeper than {_DEEPEST_JSON}")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")
