"""What settings may be, for whoever gives them in Python: what the flags of the same names may be."""

import math
import numbers
from typing import Any

from absl import flags

from goodnet.data.errors import InputError
from goodnet.flags.settings import PARSERS, number_parsers
from goodnet.pipeline.methods.repair_method import RepairSettings
from goodnet.pipeline.repair_steps import Options

_PARSERS = {**PARSERS, **number_parsers(Options), **number_parsers(RepairSettings)}


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
    parser = _PARSERS.get(name)
    if isinstance(parser, flags.IntegerParser):
        return int(_within(name, value, parser, "a whole number", numbers.Integral))
    if isinstance(parser, flags.FloatParser):
        return float(_within(name, value, parser, "a number", numbers.Real))
    if isinstance(parser, flags.EnumParser):
        if value not in parser.enum_values:
            raise InputError(f"--{name}={value!r}: unknown; expected one of {', '.join(parser.enum_values)}")
    elif isinstance(default, bool) and not isinstance(value, bool):
        raise InputError(f"--{name}={value!r}: expected True or False")
    return value


def _within(name: str, value: Any, parser: flags.ArgumentParser, kind: str, wanted: type) -> Any:
    is_number = isinstance(value, wanted) and not isinstance(value, bool) and math.isfinite(value)  # type: ignore[arg-type]
    if not is_number or parser.is_outside_bounds(value):
        least, most = parser.lower_bound, parser.upper_bound
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"--{name}={value!r}: expected {kind} {bounds}")
    return value
