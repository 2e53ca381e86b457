"""A network before and after its repair, layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from goodnet.models.legacy_keras import keras


@dataclass(frozen=True)
class LayerFacts:
    """What one layer is.

    Attributes:
        kind: its Keras class.
        output_shape: without the batch, such as (2, 2, 60); the first output's where there are several.
        channels: the last of these.
        parameters: trainable or not.
    """

    kind: str
    output_shape: tuple[int | None, ...]
    channels: int | None
    parameters: int


@dataclass(frozen=True)
class StructureRow:
    """A layer of one network beside the layer of that name in the other.

    Attributes:
        name: the layer's name.
        before: None where only the second network has it.
        after: None where only the first network has it.
        same_weights: whether both have the same weights, to the last bit; None where they have none.
    """

    name: str
    before: LayerFacts | None
    after: LayerFacts | None
    same_weights: bool | None = None

    @property
    def changed(self) -> bool:
        """Whether shape, size or weights differ."""
        return self.before != self.after or self.same_weights is False


@dataclass(frozen=True)
class Structure:
    """Two networks side by side.

    Attributes:
        rows: in the first network's order, then what only the second one has.
        parameters_before: of the first network, each shared weight counted once.
        parameters_after: of the second.
    """

    rows: tuple[StructureRow, ...]
    parameters_before: int
    parameters_after: int

    @property
    def parameters_kept(self) -> int:
        """How many parameters belong to layers that have the same weights in both networks."""
        return sum(row.after.parameters for row in self.rows if row.after is not None and row.same_weights)


def compare_structure(before: keras.Model, after: keras.Model) -> Structure:
    """Puts the layers of two networks side by side, by name.

    Args:
        before: the suspect.
        after: its repair.
    """
    first, second = ({layer.name: layer for layer in network.layers} for network in (before, after))
    names = [*first, *(name for name in second if name not in first)]
    rows = tuple(_row(name, first.get(name), second.get(name)) for name in names)
    return Structure(rows, before.count_params(), after.count_params())


def _row(name: str, before: keras.layers.Layer | None, after: keras.layers.Layer | None) -> StructureRow:
    same = None
    if before is not None and after is not None and (before.weights or after.weights):
        same = _same(before.get_weights(), after.get_weights())
    return StructureRow(name, before and _facts(before), after and _facts(after), same)


def _same(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    return len(some) == len(others) and all(map(np.array_equal, some, others))


def _facts(layer: keras.layers.Layer) -> LayerFacts:
    shape = layer.output_shape
    # An input layer gives its shape in a list; a layer with several outputs, or called several times, gives several.
    while shape and isinstance(shape, list | dict):
        shape = next(iter(shape.values())) if isinstance(shape, dict) else shape[0]
    while shape and isinstance(shape[0], tuple | list):
        shape = shape[0]
    inner = tuple(None if size is None else int(size) for size in shape[1:])
    return LayerFacts(type(layer).__name__, inner, inner[-1] if inner else None, layer.count_params())
