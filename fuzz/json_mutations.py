"""A model's configuration, changed as JSON: other values, other layers, other structure, and layers that carry code."""

import base64
import copy
import json
import marshal
from typing import Any

import numpy as np

from goodnet.models.loading import op_rules

_NUMBERS = (0, -1, 7, 10**12, 2**31, 2**63, 2**63 - 1, -(2**63) - 1, 10**400, -(10**400), 1e308, 3e38, 1e-45)
_NOT_FINITE = (float("nan"), float("inf"))
_ARGUMENTS = (
    "axis", "axes", "perm", "shape", "y", "x", "a", "b", "name", "keepdims", "batch_dims", "indices", "depth", "dtype",
    "slice_spec", "squeeze_dims", "on_value", "clip_value_min", "clip_value_max", "alpha", "validate_indices", "begin",
    "conjugate", "output_type", "dimension", "num",
)  # fmt: skip
# Where a payload leaves its mark if it ever runs, seen from the folder in which the opening process works.
PAYLOAD = "open('../canary/ran', 'w').close()"


def mutate_json(text: bytes, rng: np.random.Generator) -> bytes:
    """Changes one to three places of a JSON text.

    Args:
        text: valid JSON.
        rng: decides what.

    Returns:
        JSON again, save that a number may be NaN or a key may stand twice.
    """
    config = json.loads(text)
    for _ in range(int(rng.integers(1, 4))):
        config = _changed(config, rng)
    encoded = json.dumps(config)
    if rng.random() < 0.03:
        encoded = encoded.replace('"class_name"', '"class_name": "Lambda", "class_name"', 1)
    return encoded.encode()


def _changed(config: Any, rng: np.random.Generator) -> Any:
    places = list(_places(config))
    container, key = places[rng.integers(len(places))]
    layers = [place for place in places if _is_layer(place[0][place[1]])]
    action = rng.random()
    if action < 0.30:
        container[key] = _hostile_value(container[key], rng)
    elif action < 0.40:
        _remove(container, key)
    elif action < 0.50:
        other, other_key = places[rng.integers(len(places))]
        container[key] = copy.deepcopy(other[other_key])
    elif action < 0.55 and isinstance(container, list):
        container.insert(int(rng.integers(len(container) + 1)), copy.deepcopy(container[key]))
    elif action < 0.60 and isinstance(container, dict):
        container[f"{key}_"] = container.pop(key)
    elif action < 0.65 and isinstance(container, list):
        rng.shuffle(container)  # type: ignore[arg-type]
    elif action < 0.85 and layers:
        container, key = layers[rng.integers(len(layers))]
        container[key] = (_hostile_layer if rng.random() < 0.6 else _hostile_call)(container[key], rng)
    elif layers:
        container, key = layers[rng.integers(len(layers))]
        settings = container[key]["config"]
        if isinstance(settings, dict) and settings:
            name = list(settings)[rng.integers(len(settings))]
            settings[name] = _hostile_value(settings[name], rng)
    return config


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) below a value."""
    found: list[tuple[Any, Any]] = []
    waiting = [{"all": value}] if not isinstance(value, dict | list) else [value]
    while waiting:
        container: Any = waiting.pop()
        for key in list(container) if isinstance(container, dict) else range(len(container)):
            found.append((container, key))
            if isinstance(container[key], dict | list) and container[key]:
                waiting.append(container[key])
    return found


def _is_layer(value: Any) -> bool:
    return isinstance(value, dict) and "class_name" in value and "config" in value


def _remove(container: Any, key: Any) -> None:
    if len(container) > 1 or isinstance(container, dict):
        del container[key]


def _hostile_value(old: Any, rng: np.random.Generator) -> Any:
    if isinstance(old, int | float) and rng.random() < 0.5:
        return [old + 1, -old, old * 1000, old / 3, *_NUMBERS][rng.integers(4 + len(_NUMBERS))]
    if isinstance(old, str) and rng.random() < 0.4:
        return [
            old + "x", old.upper(), "../" + old, "/" + old, old + "\n\x1b[31m", "\u202e" + old, old * 400, "",
            "__class__", "os.system", "evil", "pkg>" + old, "float64", "resource", "null", "{{}}", old + "\0",
        ][rng.integers(17)]  # fmt: skip
    choices: list[Any] = [
        None, True, False, 0, 1, -1, 3, 2**31, *_NUMBERS, 0.5, *_NOT_FINITE, "", "relu", "softmax", [], {},
        [None], [[]], [1, 1], [3, 3], [None, 8, 8, 3], [10**6] * 4, [0] * 1000, ["x", 0, 0, {}], {"class_name": "Evil"},
        {"class_name": "__lambda__", "config": {"value": _code()}}, _deep(200), "x" * 100_000,
        {"class_name": "function", "config": "system", "module": "os"},
        {"module": "evil", "class_name": "Evil", "config": {}, "registered_name": "evil>Evil"},
    ]  # fmt: skip
    return choices[rng.integers(len(choices))]


def _hostile_layer(old: Any, rng: np.random.Generator) -> dict[str, Any]:
    """A layer of the same name and place that is something else."""
    layer = copy.deepcopy(old)
    name = layer["config"].get("name", "layer") if isinstance(layer["config"], dict) else "layer"
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("Lambda", {"name": name, "function": [_code(), None, None], "function_type": "lambda", "module": "__main__"}),
        ("Lambda", {"name": name, "function": {"class_name": "__lambda__", "config": {"code": _code()}}}),
        ("TFOpLambda", {"name": name, "function": "io.write_file"}),
        ("TFOpLambda", {"name": name, "function": "py_function"}),
        ("TFOpLambda", {"name": name, "function": "math.add"}),
        ("SlicingOpLambda", {"name": name, "function": "__operators__.getitem"}),
        ("TFSMLayer", {"name": name, "filepath": "../secret"}),
        ("TimeDistributed", {"name": name, "layer": copy.deepcopy(old)}),
        ("Functional", {"name": name, "layers": [copy.deepcopy(old)], "input_layers": [], "output_layers": []}),
        ("Sequential", {"name": name, "layers": [copy.deepcopy(old)]}),
        ("UpSampling2D", {"name": name, "size": [int(rng.integers(1, 5000)), 2]}),
        ("ZeroPadding2D", {"name": name, "padding": int(rng.integers(0, 5000))}),
        ("Resizing", {"name": name, "height": int(rng.integers(1, 5000)), "width": 64}),
        ("Reshape", {"name": name, "target_shape": [int(rng.integers(-2, 100)), -1]}),
        ("Dense", {"name": name, "units": int(10 ** rng.integers(1, 10))}),
        ("Conv2D", {"name": name, "filters": int(10 ** rng.integers(1, 8)), "kernel_size": [3, 3]}),
        ("Flatten", {"name": name}),
        ("Activation", {"name": name, "activation": "evil"}),
        ("Add", {"name": name}),
        ("Concatenate", {"name": name, "axis": int(rng.integers(-5, 5))}),
    ]
    kind, settings = kinds[rng.integers(len(kinds))]
    layer.update(class_name=kind, config=settings)
    if rng.random() < 0.2:
        layer["module"] = ["os", "evil", "keras.layers", "builtins", 7][rng.integers(5)]
    return layer


def _hostile_call(old: Any, rng: np.random.Generator) -> dict[str, Any]:
    """A function that is allowed in the layer's place, with arguments that it may not be made for."""
    layer = copy.deepcopy(old)
    settings = layer["config"] if isinstance(layer["config"], dict) else {}
    functions = [*op_rules.FUNCTIONS, op_rules.GET_ITEM]
    function = functions[rng.integers(len(functions))]
    kind = "SlicingOpLambda" if function == op_rules.GET_ITEM else "TFOpLambda"
    layer.update(class_name=kind, config={"name": settings.get("name", "layer"), "function": function})
    nodes = layer.get("inbound_nodes")
    read = next((place[0][place[1]] for place in _places(nodes) if _is_reference(place[0][place[1]])), ["image", 0, 0])
    arguments = {}
    for _ in range(int(rng.integers(0, 4))):
        name = _ARGUMENTS[rng.integers(len(_ARGUMENTS))]
        values: list[Any] = [
            *_NUMBERS, 1, 2, -2, 0.5, None, True, [], [0], [1, 2], [-1, 3], [None, 3], [2, 0, 1], [0, 2, 1, 3], "int32",
            "float32", "uint8", read[:3], [read[:3], read[:3]], [read[:3], 1.0], [[1.0] * 3] * 7,
            [{"start": 1, "stop": None, "step": None}], [{"start": None, "stop": None, "step": -1}, 0],
        ]  # fmt: skip
        arguments[name] = values[rng.integers(len(values))]
    node = [*read[:3], arguments]
    layer["inbound_nodes"] = [[node, node]] if rng.random() < 0.2 else [node if rng.random() < 0.5 else [node]]
    return layer


def _is_reference(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= 3 and isinstance(value[0], str)


def _code() -> str:
    return base64.b64encode(marshal.dumps(compile(PAYLOAD, "payload", "exec"))).decode()


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value
