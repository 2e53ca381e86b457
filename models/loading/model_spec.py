"""A network on paper: what a configuration says, checked, before anything of it is built."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

LeafPath = tuple[str, ...]
"""Names from the outermost model's layer down to one that is no model, such as ("base", "conv_1")."""


@dataclass(frozen=True)
class TensorRef:
    """The output numbered `output` of the call numbered `call` of a layer."""

    layer: str
    call: int
    output: int


@dataclass(frozen=True)
class Call:
    """One use of a layer. `args` and `kwargs` hold TensorRefs, possibly inside lists, and constants."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True)
class LayerSpec:
    """One layer.

    Attributes:
        kind: class name, one of the allow-list.
        name: unique among the layers of its model.
        settings: checked arguments of the Keras 2 class of that name.
        trainable: as the file has it; it decides in which order old files list weights.
        calls: its uses, in order.
        wrapper: class of the wrapper that it was taken out of; the file keeps its weights there.
    """

    kind: str
    name: str
    settings: Mapping[str, Any]
    trainable: bool
    calls: tuple[Call, ...]
    wrapper: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class ModelSpec:
    """A network of layers and further networks.

    Attributes:
        kind: "Functional" or "Sequential".
        name: unique among the layers of the model it is part of.
        layers: in the file's order.
        inputs: outputs of its input layers.
        outputs: what it gives.
        calls: its uses in the model it is part of; none for the outermost one.
        own_class: the class that the file names, where that is neither.
    """

    kind: str
    name: str
    layers: tuple[LayerSpec | ModelSpec, ...]
    inputs: tuple[TensorRef, ...]
    outputs: tuple[TensorRef, ...]
    calls: tuple[Call, ...]
    own_class: str | None = field(default=None, compare=False)

    def leaves(self, above: LeafPath = ()) -> Iterator[tuple[LeafPath, LayerSpec]]:
        """Every layer that is no model, with its path, in the file's order."""
        for layer in self.layers:
            path = (*above, layer.name)
            if isinstance(layer, ModelSpec):
                yield from layer.leaves(path)
            else:
                yield path, layer


def refs_in(value: Any) -> Iterator[TensorRef]:
    """All TensorRefs inside nested lists, tuples and dictionaries."""
    if isinstance(value, TensorRef):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from refs_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from refs_in(item)


def reason(error: BaseException) -> str:
    """What an error says, on one line of at most 160 characters, without control characters."""
    text = re.sub(r"[^\x20-\x7e]", "?", " ".join(re.sub(r"\{\{.*?\}\}", "", str(error)[:1000]).split()))
    return text[:160] or type(error).__name__


def quoted(name: object) -> str:
    """A name out of a file, in quotes, without control characters and short enough for one line."""
    text = re.sub(r"[^\x20-\x7e]", "?", str(name)[:61])
    return repr(text if len(text) <= 60 else text[:57] + "...")
