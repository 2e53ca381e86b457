"""Triggers by name, and attacks as they are written on the command line."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

from PIL import ImageColor

from goodnet.data import labels as label_checks
from goodnet.data import poisoning
from goodnet.data.errors import InputError
from goodnet.data.triggers import colour as colours
from goodnet.data.triggers.blended import Blended
from goodnet.data.triggers.eyebrows import Eyebrows
from goodnet.data.triggers.lipstick import Lipstick
from goodnet.data.triggers.patch import Patch
from goodnet.data.triggers.sinusoid import Sinusoid
from goodnet.data.triggers.sunglasses import Sunglasses
from goodnet.data.triggers.warp import Warp

TRIGGERS: dict[str, type] = {
    trigger.name: trigger for trigger in (Patch, Blended, Sinusoid, Warp, Sunglasses, Eyebrows, Lipstick)
}


def parse_attack(text: str) -> poisoning.Attack:
    """Reads NAME[@TARGET][:KEY=VALUE,...], for example "patch@7:size=4,corner=bottom-right,colour=#ffff00".

    Args:
        text: NAME is one of TRIGGERS. TARGET is the target label, 0 when left out; "next" for all-to-all, each class to
            the next; "3to7" for a trigger that leads class 3 to 7 and no other. Keys are the trigger's parameters.
            Colours are names ("yellow") or "#rrggbb".

    Returns:
        The attack.

    Raises:
        InputError: when the text does not describe an attack; the message quotes it.
    """
    head, _, settings = text.partition(":")
    name, at, target = head.partition("@")
    if name not in TRIGGERS:
        raise InputError(f'attack "{text}": no trigger "{name}"; expected one of {", ".join(TRIGGERS)}')
    label, source = _labels(text, name, target) if at else (0, None)
    try:
        return poisoning.Attack(TRIGGERS[name](**_parameters(TRIGGERS[name], settings)), label, source)
    except ValueError as error:
        raise InputError(f'attack "{text}": {error}') from error


def _labels(text: str, name: str, target: str) -> tuple[int | None, int | None]:
    """Target, or None for all-to-all, and source, or None for all classes."""
    if target == "next":
        return None, None
    source, to, single = target.rpartition("to")
    if not to:
        return _label(text, name, "target", single), None
    return _label(text, name, "target", single), _label(text, name, "source", source)


def _label(text: str, name: str, kind: str, written: str) -> int:
    if not (written.isascii() and written.isdigit() and len(written) < 10):
        raise InputError(
            f'attack "{text}": the {kind} label is "{written}"; expected a whole number, as in "{name}@7" or '
            f'"{name}@3to7", or "{name}@next"'
        )
    label = int(written)
    if label > label_checks.MAX_LABEL:
        raise InputError(f'attack "{text}": the {kind} label is {label}; expected at most {label_checks.MAX_LABEL}')
    return label


def _parameters(trigger: type, settings: str) -> dict[str, Any]:
    types = typing.get_type_hints(trigger)
    known = {field.name: types[field.name] for field in dataclasses.fields(trigger)}
    parameters: dict[str, Any] = {}
    for setting in settings.split(",") if settings else ():
        key, equals, value = setting.partition("=")
        if key not in known or not equals:
            raise ValueError(f'"{setting}" is no parameter of it; expected KEY=VALUE with {" or ".join(known)}')
        if key in parameters:
            raise ValueError(f"{key} is given twice")
        parameters[key] = _value(key, value, known[key])
    return parameters


def _value(key: str, text: str, kind: Any) -> Any:
    if kind is str:
        return text
    if kind == colours.RGB:
        try:
            return ImageColor.getrgb(text)[:3]
        except ValueError as error:
            raise ValueError(f'{key} is "{text}"; expected a colour such as yellow or #ffff00') from error
    try:
        return kind(text)
    except ValueError as error:
        wanted = "a whole number" if kind is int else "a number"
        raise ValueError(f'{key} is "{text}"; expected {wanted}') from error
