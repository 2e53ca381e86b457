"""Settings: what they may be, and the flags that are made of them.

Each field of a settings class that `setting` describes is a flag of the same name. A new setting is one edit. The field
says its default, its range and what it does; `define_flags` makes the flag of that, and `settings_of_flags` fills the
class with what the user gave. A setting that several programs share has its range in `PARSERS`.

Importing this defines no flag: a program that uses GoodNet may have its own --seed.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, overload

from absl import flags

from goodnet.data.use import TEST, TRAIN, VAL
from goodnet.export.precisions import FASTEST, PRECISIONS
from goodnet.models.networks.names import NAMES

# A flag belongs to the module that asks for it here.
flags.disclaim_key_flags()

_KEY = "flag"
_Settings = TypeVar("_Settings")


class FiniteParser(flags.FloatParser):
    """A float between bounds: neither NaN, which passes every comparison with a bound, nor infinity."""

    def convert(self, argument: float | int | str) -> float:
        """The number of a text.

        Raises:
            ValueError: it is none, or not finite.
        """
        value = super().convert(argument)
        if not math.isfinite(value):
            raise ValueError(f"{argument} is not a finite number")
        return value


# What shared settings may be, by name, for flags and for arguments in Python. Seeds of NumPy and TensorFlow: 32 bits.
PARSERS: Mapping[str, flags.ArgumentParser] = {
    "architecture": flags.EnumParser(NAMES),
    "batch_size": flags.IntegerParser(1),
    "channel_order": flags.EnumParser(("auto", "rgb", "bgr")),
    "clean_part": flags.EnumParser((TRAIN, VAL, TEST)),
    "input_scale": flags.EnumParser(("auto", "unit", "byte", "symmetric", "torch", "caffe", "per_image", "mean_std")),
    "max_multiply_adds": flags.IntegerParser(1, 10**15),
    "max_shift": flags.IntegerParser(0),
    "min_parity": FiniteParser(0.0, 1.0),
    "precision": flags.EnumParser((*PRECISIONS, FASTEST)),
    "seed": flags.IntegerParser(0, 2**32 - 1),
}


@dataclasses.dataclass(frozen=True)
class _Description:
    text: str
    lower_bound: float | None
    upper_bound: float | None


def setting(
    default: Any, description: str, *, lower_bound: float | None = None, upper_bound: float | None = None
) -> Any:
    """A field of a settings class, a frozen dataclass, that is a flag, too.

    Args:
        default: without the flag. None where the field's type has it: nothing is set.
        description: what it does, for --help.
        lower_bound: the least that a number may be.
        upper_bound: the most that it may be, if there is a bound.

    Returns:
        What `dataclasses.field` does. The field's type, but for None, is bool, int, float, str or tuple[str, ...].
    """
    metadata = {_KEY: _Description(description, lower_bound, upper_bound)}
    return dataclasses.field(default=default, metadata=metadata)


def define_flags(settings: type) -> Mapping[str, "flags.FlagHolder[Any]"]:
    """Defines the flags of a settings class; they belong to the calling module.

    Returns:
        Their holders by name.
    """
    return {name: _define(name, *described) for name, described in _described(settings).items()}


def settings_of_flags(settings: type[_Settings], /, **others: Any) -> _Settings:
    """A settings class with the values of its flags, which are parsed.

    Args:
        settings: the class.
        **others: its fields that are no flags of their own.
    """
    values = {name: flags.FLAGS[name].value for name in _described(settings)}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return settings(**given, **others)


def number_parsers(settings: type) -> Mapping[str, flags.ArgumentParser]:
    """What the numbers of a settings class may be.

    Returns:
        The parser of each flag that holds a number, by name.
    """
    described = _described(settings).items()
    return {name: _number_parser(kind, text) for name, (kind, _, text) in described if kind in (int, float)}


def _described(settings: type) -> dict[str, tuple[type, Any, _Description]]:
    """Type without None, default and description of each field that is a flag."""
    hints = typing.get_type_hints(settings)
    return {
        field.name: (_without_none(hints[field.name]), field.default, field.metadata[_KEY])
        for field in dataclasses.fields(settings)  # type: ignore[arg-type]
        if _KEY in field.metadata
    }


def _without_none(kind: Any) -> Any:
    if isinstance(kind, types.UnionType):
        (kind,) = (part for part in typing.get_args(kind) if part is not types.NoneType)
    return kind


def _define(name: str, kind: Any, default: Any, described: _Description) -> "flags.FlagHolder[Any]":
    text = described.text
    if kind is bool:
        return flags.DEFINE_bool(name, default, text)
    if kind in (int, float):
        parser = _number_parser(kind, described)
        return flags.DEFINE(parser, name, default, text, serializer=flags.ArgumentSerializer())
    if kind is str:
        return flags.DEFINE_string(name, default, text)
    if kind == tuple[str, ...]:
        return flags.DEFINE_list(name, default, text)
    raise TypeError(f"{name}: {kind}; expected bool, int, float, str or tuple[str, ...]")


def _number_parser(kind: type, described: _Description) -> flags.ArgumentParser:
    parser = flags.IntegerParser if kind is int else FiniteParser
    return parser(described.lower_bound, described.upper_bound)  # type: ignore[arg-type]


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
    parser = FiniteParser(lower_bound, upper_bound)
    return flags.DEFINE(parser, name, default, description, serializer=flags.ArgumentSerializer())


def define_shared(name: str, default: Any, description: str) -> "flags.FlagHolder[Any]":
    """Defines the flag of a shared setting; it belongs to the calling module.

    Args:
        name: of the setting.
        default: without the flag.
        description: for --help.

    Returns:
        The holder of its value.
    """
    parser = PARSERS[name]
    if isinstance(parser, flags.EnumParser):
        return flags.DEFINE_enum(name, default, parser.enum_values, description)
    return flags.DEFINE(parser, name, default, description, serializer=flags.ArgumentSerializer())
