"""The ranges of settings that are given in Python; they are those of the flags of the same names."""

import math
import numbers
from collections.abc import Mapping
from typing import Any

from goodnet.data.errors import InputError
from goodnet.export.conversion import PRECISIONS
from goodnet.models.input_scale import SCALES_BY_NAME
from goodnet.models.networks.architectures import ARCHITECTURES

# The least and the most; None for no bound.
WHOLE_NUMBERS: Mapping[str, tuple[int, int | None]] = {
    "seed": (0, 2**32 - 1),
    "batch_size": (1, None),
    "pruning_epochs": (1, None),
    "fine_tuning_epochs": (0, None),
    "max_shift": (0, None),
    "max_multiply_adds": (1, 10**15),
}
NUMBERS: Mapping[str, tuple[float, float | None]] = {
    "learning_rate": (0.0, None),
    "max_accuracy_loss": (0.0, 1.0),
    "max_false_positive_rate": (0.0, 1.0),
    "max_light": (0.0, 1.0),
    "max_zoom": (0.0, 0.9),
    "min_parity": (0.0, 1.0),
}
CHOICES: Mapping[str, tuple[str, ...]] = {
    "architecture": tuple(ARCHITECTURES),
    "channel_order": ("auto", "rgb", "bgr"),
    "input_scale": ("auto", *SCALES_BY_NAME, "mean_std"),
    "precision": PRECISIONS,
}


def checked(name: str, value: Any, default: Any) -> Any:
    """A setting as a plain Python value.

    Args:
        name: of the setting.
        value: what was given.
        default: its default; where that is None, None will do.

    Raises:
        InputError: the value is of another type, or outside its range.
    """
    if value is None and default is None:
        return None
    if name in WHOLE_NUMBERS:
        return int(_within(name, value, *WHOLE_NUMBERS[name], "a whole number", numbers.Integral))
    if name in NUMBERS:
        return float(_within(name, value, *NUMBERS[name], "a number", numbers.Real))
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise InputError(f"--{name}={value!r}: unknown; expected one of {', '.join(CHOICES[name])}")
    elif isinstance(default, bool) and not isinstance(value, bool):
        raise InputError(f"--{name}={value!r}: expected True or False")
    return value


def _within(name: str, value: Any, least: float, most: float | None, kind: str, wanted: type) -> Any:
    is_number = isinstance(value, wanted) and not isinstance(value, bool) and math.isfinite(value)  # type: ignore[arg-type]
    if not is_number or value < least or (most is not None and value > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"--{name}={value!r}: expected {kind} {bounds}")
    return value
