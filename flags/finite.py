"""Flags that hold a number: neither NaN, which passes every comparison with a bound, nor infinity."""

import math
from typing import Any, overload

from absl import flags

# A flag belongs to the module that asks for it here.
flags.disclaim_key_flags()


class _FiniteParser(flags.FloatParser):
    """A float between bounds."""

    def convert(self, argument: float | int | str) -> float:
        """The number of a text.

        Raises:
            ValueError: it is none, or not finite.
        """
        value = super().convert(argument)
        if not math.isfinite(value):
            raise ValueError(f"{argument} is not a finite number")
        return value


@overload
def define_float(
    name: str, default: float, description: str, *, lower_bound: float, upper_bound: float | None = None
) -> "flags.FlagHolder[float]": ...


@overload
def define_float(
    name: str, default: None, description: str, *, lower_bound: float, upper_bound: float | None = None
) -> "flags.FlagHolder[float | None]": ...


def define_float(
    name: str, default: Any, description: str, *, lower_bound: float, upper_bound: float | None = None
) -> Any:
    """Defines a flag that holds a finite number.

    Args:
        name: of the flag.
        default: without the flag.
        description: for --help.
        lower_bound: the least that it may be.
        upper_bound: the most that it may be, if there is a bound.

    Returns:
        The holder of its value.
    """
    parser = _FiniteParser(lower_bound, upper_bound)
    return flags.DEFINE(parser, name, default, description, serializer=flags.ArgumentSerializer())
