"""The TensorFlow functions that a suspect model may call by name: arithmetic, comparison, rearranging.

Each stands here as the function itself. A name in a file is looked up in this table and nowhere else.
"""

from collections.abc import Callable, Mapping
from typing import Any

from goodnet.models.legacy_keras import tf
from goodnet.models.loading.model_spec import TensorRef
from goodnet.models.loading.settings_checks import FLOAT_TYPES, OTHER_TYPES, unwrapped

GET_ITEM = "__operators__.getitem"
_MOST_NUMBERS = 65536
_WORDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("nn.bias_add", "data_format"): ("nhwc",),
    ("image.resize", "method"): ("nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5", "gaussian",
                                 "mitchellcubic"),
}  # fmt: skip


def _functions() -> dict[str, Callable[..., Any]]:
    names = """
        math.add math.subtract math.multiply math.divide math.truediv math.divide_no_nan math.pow math.negative math.abs
        math.exp math.log math.log1p math.sqrt math.rsqrt math.square math.sign math.floor math.round math.sigmoid
        math.tanh math.softplus math.maximum math.minimum math.greater math.greater_equal math.less math.less_equal
        math.equal math.not_equal math.logical_and math.logical_or math.logical_not math.argmax math.argmin
        math.reduce_max math.reduce_min math.reduce_mean math.reduce_sum math.reduce_any math.reduce_all
        nn.relu nn.relu6 nn.leaky_relu nn.elu nn.selu nn.gelu nn.silu nn.softmax nn.log_softmax nn.sigmoid nn.tanh
        nn.bias_add image.resize image.grayscale_to_rgb image.rgb_to_grayscale image.per_image_standardization
        concat stack cast expand_dims squeeze reshape transpose gather where identity clip_by_value one_hot
        compat.v1.gather compat.v1.squeeze compat.v1.where compat.v1.transpose __operators__.add __operators__.eq
        __operators__.ne
    """
    return {name: _attribute(name) for name in names.split()}


def _attribute(name: str) -> Any:
    value: Any = tf
    for part in name.split("."):
        value = getattr(value, part)
    return value


FUNCTIONS: Mapping[str, Callable[..., Any]] = _functions()


def check_argument(value: Any) -> Any:
    """Checks an argument of a function: tensors, numbers, flags, dtype names, and short nested lists of them.

    Args:
        value: a TensorRef or what JSON held.

    Returns:
        The value, with `{"class_name": "__tensor__"}` and its like unwrapped.

    Raises:
        ValueError: what was expected instead.
    """
    remaining = [_MOST_NUMBERS]
    return _checked(value, remaining, 0)


def check_text(function: str, name: str, value: Any) -> Any:
    """Checks an argument that is a word, as few functions have one.

    Args:
        function: one of `FUNCTIONS`.
        name: of the argument.
        value: what JSON held.

    Raises:
        ValueError: what was expected instead.
    """
    words = _WORDS.get((function, name))
    if words is None or not isinstance(value, str):
        return check_argument(value)
    if value.lower() not in words:
        raise ValueError(" or ".join(words))
    return value


def _checked(value: Any, remaining: list[int], depth: int) -> Any:
    value = unwrapped(value)
    remaining[0] -= 1
    if remaining[0] < 0 or depth > 6:
        raise ValueError(f"at most {_MOST_NUMBERS} numbers in at most six nested lists")
    if value is None or isinstance(value, bool | TensorRef):
        return value
    if isinstance(value, int | float):
        if not abs(value) <= 3e38:  # Also of integers that no float holds.
            raise ValueError("finite numbers")
        return value
    if isinstance(value, str):
        if value not in (*FLOAT_TYPES, *OTHER_TYPES):
            raise ValueError("no text but the name of a dtype")
        return value
    if isinstance(value, list):
        return [_checked(item, remaining, depth + 1) for item in value]
    raise ValueError("tensors, numbers, flags or dtype names")


def slices(spec: Any) -> tuple[Any, ...]:
    """Turns a stored index such as `[{"start": 1, "stop": null, "step": null}, 0]` into what Python indexes with.

    Args:
        spec: one index, or a list with one for each axis.

    Returns:
        Slices, integers, None and Ellipsis.

    Raises:
        ValueError: what was expected instead.
    """
    items = spec if isinstance(spec, list) else [spec]
    if len(items) > 8:
        raise ValueError("at most 8 indices")
    return tuple(_index(item) for item in items)


def _index(item: Any) -> Any:
    if item is None or (isinstance(item, int) and not isinstance(item, bool) and abs(item) < 2**31):
        return item
    if isinstance(item, dict):
        if item.get("class_name") == "__ellipsis__":
            return Ellipsis
        if item.get("class_name") == "__slice__":
            item = item.get("config")
        if isinstance(item, dict) and set(item) == {"start", "stop", "step"}:
            bounds = [item["start"], item["stop"], item["step"]]
            if all(bound is None or (type(bound) is int and abs(bound) < 2**31) for bound in bounds):
                return slice(*bounds)
    raise ValueError("integers and slices as indices")
