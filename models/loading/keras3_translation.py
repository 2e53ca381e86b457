"""Keras 3's functions of symbolic tensors (`x + y`, `keras.ops.relu(x)`), translated into those of TensorFlow.

Layers need no translation: their settings are read under both names by `layer_rules`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from goodnet.data.errors import InputError
from goodnet.models.loading import op_rules
from goodnet.models.loading.model_spec import Call, LayerSpec, quoted
from goodnet.models.loading.settings_checks import KERAS_3_HARD_SIGMOID

KERAS_3_TENSOR = "__keras_tensor__"
_OPERATION_MODULES = "keras.src.ops."


@dataclass(frozen=True)
class _Operation:
    """A TensorFlow function, its parameters for the call's arguments, and those for the operation's settings."""

    function: str
    parameters: tuple[str, ...] = ("x",)
    settings: Mapping[str, str] = field(default_factory=dict)


_REDUCED = {"axis": "axis", "keepdims": "keepdims"}
# Functions of activations that TensorFlow has none of.
_ACTIVATIONS = {"HardSigmoid": KERAS_3_HARD_SIGMOID, "HardSilu": "hard_silu"}
# Settings that change nothing at these values.
_NO_ACTION: Mapping[str, tuple[Any, ...]] = {
    "alpha": (1.0,),
    "antialias": (False,),
    "crop_to_aspect_ratio": (False,),
    "pad_to_aspect_ratio": (False,),
    "fill_mode": ("constant",),
    "fill_value": (0.0,),
    "data_format": ("channels_last",),
}
_OPERATIONS: Mapping[str, _Operation] = {
    **{
        name: _Operation(f"math.{function}", ("x", "y"))
        for name, function in (
            ("Add", "add"),
            ("Subtract", "subtract"),
            ("Multiply", "multiply"),
            ("Divide", "truediv"),
            ("TrueDivide", "truediv"),
            ("Maximum", "maximum"),
            ("Minimum", "minimum"),
            ("Power", "pow"),
        )
    },
    **{
        name: _Operation(f"math.{function}")
        for name, function in (
            ("Exp", "exp"),
            ("Log", "log"),
            ("Sqrt", "sqrt"),
            ("Square", "square"),
            ("Absolute", "abs"),
            ("Negative", "negative"),
            ("Sigmoid", "sigmoid"),
            ("Tanh", "tanh"),
        )
    },
    "Mean": _Operation("math.reduce_mean", ("input_tensor",), _REDUCED),
    "Max": _Operation("math.reduce_max", ("input_tensor",), _REDUCED),
    "Min": _Operation("math.reduce_min", ("input_tensor",), _REDUCED),
    "Sum": _Operation("math.reduce_sum", ("input_tensor",), _REDUCED),
    "Relu": _Operation("nn.relu", ("features",)),
    "Relu6": _Operation("nn.relu6", ("features",)),
    "Silu": _Operation("nn.silu", ("features",)),
    "Elu": _Operation("nn.elu", ("features",), {"alpha": ""}),
    "LeakyRelu": _Operation("nn.leaky_relu", ("features",), {"negative_slope": "alpha"}),
    "Gelu": _Operation("nn.gelu", ("features",), {"approximate": "approximate"}),
    "Softmax": _Operation("nn.softmax", ("logits",), {"axis": "axis"}),
    "LogSoftmax": _Operation("nn.log_softmax", ("logits",), {"axis": "axis"}),
    "Concatenate": _Operation("concat", ("values",), {"axis": "axis"}),
    "Stack": _Operation("stack", ("values",), {"axis": "axis"}),
    "Resize": _Operation("image.resize", ("images",), {"size": "size", "interpolation": "method"}),
    "Reshape": _Operation("reshape", ("tensor",), {"newshape": "shape"}),
    "Transpose": _Operation("compat.v1.transpose", ("a",), {"axes": "perm"}),
    "ExpandDims": _Operation("expand_dims", ("input",), {"axis": "axis"}),
    "Squeeze": _Operation("compat.v1.squeeze", ("input",), {"axis": "axis"}),
    "GetItem": _Operation(op_rules.GET_ITEM, ("tensor", "slice_spec")),
}


def is_keras_3_operation(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of a configuration is a function of Keras 3 and not a layer."""
    module, nodes = entry.get("module"), entry.get("inbound_nodes")
    if module is not None:
        return isinstance(module, str) and module.startswith(_OPERATION_MODULES)
    # HDF5 files name no modules; layers of the same names (Add, Softmax) always say whether they are trainable.
    called_by_keras_3 = isinstance(nodes, list) and any(isinstance(node, dict) for node in nodes)
    return (
        called_by_keras_3
        and entry["class_name"] in {**_OPERATIONS, **_ACTIVATIONS}
        and "trainable" not in entry["config"]
    )


def operation_call(entry: Mapping[str, Any], name: str, nodes: Sequence[Call]) -> LayerSpec:
    """Translates one operation.

    Args:
        entry: of the configuration, with `class_name` and `config`.
        name: the operation's name in its model.
        nodes: its uses, with Keras 3's arguments.

    Returns:
        A layer of kind "TFOpLambda" or "SlicingOpLambda" whose calls hold TensorFlow's arguments, or an "Activation".

    Raises:
        InputError: there is no translation of it.
    """
    kind = entry["class_name"]
    if kind in _ACTIVATIONS:
        if any(len(node.args) != 1 or any(node.kwargs.values()) for node in nodes):
            raise InputError(f"layer {quoted(name)} ({quoted(kind)}): called on something else; expected one tensor")
        calls = tuple(Call(node.args, {}) for node in nodes)
        return LayerSpec("Activation", name, {"activation": _ACTIVATIONS[kind]}, True, calls)
    operation = _OPERATIONS.get(kind)
    if operation is None:
        raise InputError(
            f"layer {quoted(name)}: Keras 3's function {quoted(kind)}; expected a layer, or basic arithmetic"
        )
    constants = {}
    for key, value in entry["config"].items():
        parameter = operation.settings.get(key)
        if parameter:
            constants[parameter] = value
        elif key not in ("name", "dtype") and value not in (None, *_NO_ACTION.get(key, ())):
            raise InputError(f"layer {quoted(name)} ({quoted(kind)}): {quoted(key)} is not supported; expected none")
    calls = tuple(_translated(operation, node, constants, f"layer {quoted(name)} ({quoted(kind)})") for node in nodes)
    layer_kind = "SlicingOpLambda" if operation.function == op_rules.GET_ITEM else "TFOpLambda"
    return LayerSpec(layer_kind, name, {"function": operation.function}, True, calls)


def _translated(operation: _Operation, node: Call, constants: Mapping[str, Any], where: str) -> Call:
    arguments = dict(zip(operation.parameters, node.args, strict=False))
    if len(node.args) > len(operation.parameters) or any(node.kwargs.values()):
        raise InputError(f"{where}: {len(node.args)} arguments and {quoted(node.kwargs)}; expected fewer")
    if operation.parameters[0] not in arguments or len(arguments) < len(operation.parameters):
        raise InputError(f"{where}: {len(node.args)} arguments; expected {len(operation.parameters)}")
    first = arguments.pop(operation.parameters[0])
    return Call((first,), {**arguments, **constants})
