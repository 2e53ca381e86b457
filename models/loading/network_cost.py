"""What running a network costs, counted while it is built and before anything of it is run.

The counts are per image. What a file asks for is compared with them layer by layer, so that a network that is too
large is refused at the first layer that makes it so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goodnet.data.errors import InputError
from goodnet.models.loading.model_spec import quoted

# For a batch of 256 images one layer's output is 4 GiB then; the largest of VGG16, at 224 x 224, are 3 GiB.
MOST_NUMBERS = 2**22
MOST_NUMBERS_OF_ALL = 2**27
# EfficientNetB7, the most costly network of keras.applications, has 37 x 10^9 at its own 600 x 600.
MOST_MULTIPLY_ADDS = 40 * 10**9
MOST_CLASSES = 2**17

Shape = Sequence[int | None]


@dataclass(frozen=True)
class CostLimits:
    """What a network may cost for one image.

    Attributes:
        numbers: of one layer's output.
        numbers_of_all: of all layers' outputs together.
        multiply_adds: of all layers together.
    """

    numbers: int = MOST_NUMBERS
    numbers_of_all: int = MOST_NUMBERS_OF_ALL
    multiply_adds: int = MOST_MULTIPLY_ADDS


def limits_for(most_multiply_adds: int, networks: int) -> CostLimits:
    """Limits of a file that holds so many networks of at most so many multiply-adds each."""
    return CostLimits(MOST_NUMBERS, networks * MOST_NUMBERS_OF_ALL, networks * most_multiply_adds)


class NetworkCost:
    """Adds up what the layers cost, and refuses the one that is too much."""

    def __init__(self, limits: CostLimits):
        """Begins at nothing."""
        self._limits = limits
        self._numbers = 0
        self._multiply_adds = 0

    def count(self, name: str, given: Sequence[Shape], outputs: Sequence[Shape], multiply_adds: int = 0) -> None:
        """Counts one call of a layer.

        Args:
            name: the layer's, for the message.
            given: shapes of what flows in, batch axis first.
            outputs: shapes of what flows out; no extent but the batch's is None.
            multiply_adds: beyond one for every number that flows in or out.

        Raises:
            InputError: the network costs more than the limits from this layer on.
        """
        limits = self._limits
        numbers = [math.prod(_fixed(shape)) for shape in outputs]
        self._numbers += sum(numbers)
        self._multiply_adds += sum(numbers) + sum(math.prod(_fixed(shape)) for shape in given) + multiply_adds
        if max(numbers) > limits.numbers or self._numbers > limits.numbers_of_all:
            raise InputError(
                f"layer {quoted(name)}: {max(numbers)} numbers an image, {self._numbers} up to here; expected at most"
                f" {limits.numbers} and {limits.numbers_of_all}"
            )
        if self._multiply_adds > limits.multiply_adds:
            raise InputError(
                f"layer {quoted(name)}: {self._multiply_adds:.3g} multiply-adds an image up to here; expected at most"
                f" {limits.multiply_adds:.3g} (--max_multiply_adds)"
            )


def layer_multiply_adds(settings: Mapping[str, Any], weight_shapes: Mapping[str, Sequence[int]], output: Shape) -> int:
    """Multiply-adds an image of a layer on the allow-list, beyond one for every number that flows in or out.

    Args:
        settings: as `check_layer` returns them.
        weight_shapes: name -> shape, as `expected_weights` returns them.
        output: shape of what flows out.
    """
    extents = _fixed(output)
    kernels = sum(math.prod(shape) for name, shape in weight_shapes.items() if name.endswith("kernel"))
    if kernels:
        return kernels * math.prod(extents[:-1])
    return math.prod(extents) * math.prod(settings.get("pool_size", (1,)))


def _fixed(shape: Shape) -> list[int]:
    return [extent or 1 for extent in shape[1:]]
