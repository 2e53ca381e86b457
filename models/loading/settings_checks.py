"""Checks of single settings in a model's configuration.

A check takes what JSON held and returns what may be handed to Keras. It raises ValueError with what was expected.
"""

import math
from collections.abc import Callable
from typing import Any

Check = Callable[[Any], Any]

# Of Keras 3, where the same name means another function than in Keras 2; nothing else is called so.
KERAS_3_HARD_SIGMOID = "keras_3.hard_sigmoid"
ACTIVATIONS = (
    "elu",
    "exponential",
    "gelu",
    "hard_sigmoid",
    "hard_silu",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
)
_SAME_ACTIVATION = {"hard_swish": "hard_silu", "log_softmax_v2": "log_softmax"}
FLOAT_TYPES = ("float16", "bfloat16", "float32", "float64")
OTHER_TYPES = ("int8", "uint8", "int16", "int32", "int64", "bool")
_POLICIES = (*FLOAT_TYPES, "mixed_float16", "mixed_bfloat16")
_MOST_NUMBERS = 65536


def unwrapped(value: Any) -> Any:
    """What stands inside the dictionaries that Keras writes for NumPy arrays and tensors, by its version."""
    if isinstance(value, dict) and value.get("type") == "ndarray":
        return value.get("value")
    if isinstance(value, dict) and value.get("class_name") in ("__numpy__", "__tensor__"):
        inner = value.get("config")
        return inner.get("value") if isinstance(inner, dict) else None
    return value


def integer(low: int, high: int) -> Check:
    """An integer in [low, high]; 3.0 counts as 3."""

    def check(value: Any) -> int:
        whole = isinstance(value, float) and value.is_integer()
        if isinstance(value, bool) or not (isinstance(value, int) or whole) or not low <= value <= high:
            raise ValueError(f"an integer from {low} to {high}")
        return int(value)

    return check


def number(low: float = -3e38, high: float = 3e38) -> Check:
    """A finite number in [low, high]."""

    def check(value: Any) -> float:
        value = unwrapped(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return float(value)

    return check


def boolean(value: Any) -> bool:
    """True or False, nothing that merely counts as one."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def choice(*names: str) -> Check:
    """One of some strings."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in names:
            raise ValueError(" or ".join(names))
        return value.lower()

    return check


def optional(check: Check) -> Check:
    """None, or what `check` takes."""
    return lambda value: None if value is None else check(value)


def only(*accepted: Any) -> Check:
    """One of some values that change nothing, such as False for a switch that isn't supported."""

    def check(value: Any) -> Any:
        if not any(type(value) is type(item) and value == item for item in accepted):
            raise ValueError(f"{accepted[0]}, nothing else is supported")
        return value

    return check


def ignored(value: Any) -> None:
    """Anything; it is not looked at."""


def pair(low: int, high: int) -> Check:
    """An integer that stands for two, or two of them."""
    one = integer(low, high)

    def check(value: Any) -> tuple[int, int]:
        values = value if isinstance(value, list) else [value, value]
        if len(values) != 2:
            raise ValueError(f"two integers from {low} to {high}")
        return one(values[0]), one(values[1])

    return check


def borders(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns added or cut at (top, bottom), (left, right)."""
    one = pair(0, 4096)
    if not isinstance(value, list):
        return one(value), one(value)
    if len(value) != 2:
        raise ValueError("two pairs of integers from 0 to 4096")
    return one(value[0]), one(value[1])


def integers(low: int, high: int) -> Check:
    """A list of at most 8 integers in [low, high], or one of them."""
    one = integer(low, high)

    def check(value: Any) -> list[int]:
        values = value if isinstance(value, list) else [value]
        if not 1 <= len(values) <= 8:
            raise ValueError("a list of at most 8 integers")
        return [one(item) for item in values]

    return check


def one_integer(low: int, high: int) -> Check:
    """An integer, or a list of just one."""
    several = integers(low, high)

    def check(value: Any) -> int:
        values = several(value)
        if len(values) != 1:
            raise ValueError("one integer")
        return values[0]

    return check


def numbers(value: Any) -> float | list:
    """A finite number, or nested lists of them (at most 65,536)."""
    remaining = [_MOST_NUMBERS]
    one = number()

    def convert(item: Any, depth: int) -> Any:
        item = unwrapped(item)
        if not isinstance(item, list):
            remaining[0] -= 1
            if remaining[0] < 0:
                raise ValueError(f"at most {_MOST_NUMBERS} numbers")
            return one(item)
        if depth > 4:
            raise ValueError("at most four nested lists of numbers")
        return [convert(inner, depth + 1) for inner in item]

    return convert(value, 0)


def activation(value: Any) -> str:
    """The name of a built-in activation; older and newer files wrap it in a dictionary."""
    if isinstance(value, dict) and value.get("class_name") == "function":
        value = value.get("config")
    if value is None:
        return "linear"
    if isinstance(value, str):
        value = _SAME_ACTIVATION.get(value, value)
    if not isinstance(value, str) or value not in (*ACTIVATIONS, KERAS_3_HARD_SIGMOID):
        raise ValueError("one of " + ", ".join(ACTIVATIONS))
    return value


def noise_shape(value: Any) -> list[int | None]:
    """Which axes one draw of a dropout is for: 1 for those, None for the others; the batch is none of them."""
    if not isinstance(value, list) or not 2 <= len(value) <= 6 or any(item not in (None, 1) for item in value):
        raise ValueError("a list of 1 and null")
    if value[0] is not None:
        raise ValueError("null first: a draw for each image")
    return [None if item is None else 1 for item in value]


def no_axes(check: Check) -> Check:
    """None or an empty list, both of which become None, or what `check` takes."""
    return lambda value: None if value is None or value == [] else check(value)


def dtype(value: Any) -> str:
    """The dtype to build a layer with: integer types stay, floating ones and mixed policies become float32."""
    if isinstance(value, dict):
        settings = value.get("config")
        value = settings.get("name") if isinstance(settings, dict) else None
    if value is None or value in _POLICIES:
        return "float32"
    if value not in OTHER_TYPES:
        raise ValueError("one of " + ", ".join((*_POLICIES, *OTHER_TYPES)))
    return str(value)


def image_shape(value: Any) -> tuple[int | None, ...]:
    """A batch shape without its batch axis; at most 2**24 numbers an image."""
    if not isinstance(value, list) or not 2 <= len(value) <= 6:
        raise ValueError("a batch shape such as [null, 32, 32, 3]")
    shape = tuple(optional(integer(1, 2**24))(extent) for extent in value[1:])
    if math.prod(extent or 1 for extent in shape) > 2**24:
        raise ValueError("an input of at most 2**24 numbers")
    return shape
