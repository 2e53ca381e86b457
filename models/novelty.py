"""How unlike clean images an image is, by its local statistics alone: what a detector sees of a trigger without a net.

A trigger that changes the whole image, such as a wave, a tint or a filter, changes how strongly small filters answer
(Portilla and Simoncelli, "A parametric texture model based on joint statistics of complex wavelet coefficients", IJCV
2000). Filters are laid over the colour components of the image, and of halved copies of it. The logarithms of their
variances and the mean colour are the statistics. Their squared Mahalanobis distance from clean images is the novelty
(as of deep features in Lee et al., "A simple unified framework for detecting out-of-distribution samples", NeurIPS
2018). No trigger is known here, and no network is asked.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from goodnet.models.legacy_keras import keras, tf, traced

NAME = "novelty"
# A scale below this many pixels a side would leave too few answers of a filter to take a variance of.
_LEAST_SIDE = 8
# Filters are laid at least this many times along a side where there is room: variances need no more samples.
_SAMPLES = 16
# Added to a filter's variance, in units of the one that it has over clean images: a flat image has a finite logarithm.
# Half precision has it: where filters never answer, any other value would count as their deviation.
_FLOOR = 2.0**-7


@dataclass(frozen=True, eq=False)
class FilterBank:
    """Filters of one colour component each, which take a third of the products that filters of all colours take.

    No convolution of a bank has 1,024 weights or more, so TFLite's converter leaves them in float32. In eight bits they
    would not tell fine noise.

    Attributes:
        colours: float32 [C, M]; column m makes component m of a pixel.
        filters: for each component float32 [k, k, F], k <= 5, of its own number F; laid over the components of raw
            pixels 0..255, each answers with a variance of about 1 to clean images.
    """

    colours: np.ndarray
    filters: tuple[np.ndarray, ...]

    @property
    def size(self) -> int:
        """Pixels a side, k."""
        return len(self.filters[0])

    @property
    def kernels(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """As convolutions take them: that of each component, [1, 1, C, 1], and of its filters, [k, k, 1, F]."""
        return [
            (colour[np.newaxis, np.newaxis, :, np.newaxis], filters[:, :, np.newaxis])
            for colour, filters in zip(self.colours.T, self.filters, strict=True)
        ]

    def answers(self, images: tf.Tensor, stride: int) -> Iterator[tf.Tensor]:
        """Those to float32 [B, H, W, C], in the order of the filters: [B, h, w, F], some components together.

        The many filters of a channel's own component go over rows first: k pixels of it side by side become the k
        channels that the filters then see, since kernels are slow on one channel. Sums have few filters, which go
        together. No constant is a product of two, which half precision would round.
        """
        channels = len(self.colours)
        for colour, filters in self.kernels[:channels]:
            rows = tf.nn.conv2d(images, _row_of(colour, self.size), [1, stride], "VALID")
            yield tf.nn.conv2d(rows, filters.transpose(0, 2, 1, 3), [stride, 1], "VALID")
        if channels > 1:
            colours, filters = zip(*self.kernels[channels:], strict=True)
            sums = tf.nn.conv2d(images, np.concatenate(colours, axis=-1), 1, "VALID")
            yield tf.nn.conv2d(sums, _each_of_its_own(filters), stride, "VALID")


def _row_of(colour: np.ndarray, size: int) -> np.ndarray:
    """The kernel that answers with a component [1, 1, C, 1] of each pixel in a row: [1, k, C, k]."""
    return np.eye(size, dtype=np.float32)[np.newaxis, :, np.newaxis] * colour


def _each_of_its_own(filters: Sequence[np.ndarray]) -> np.ndarray:
    """Kernels of one channel each, [k, k, 1, F], as one of all channels, whose other weights are 0."""
    return np.concatenate(
        [
            np.pad(one, [(0, 0), (0, 0), (number, len(filters) - 1 - number), (0, 0)])
            for number, one in enumerate(filters)
        ],
        axis=-1,
    )


@dataclass(frozen=True, eq=False)
class Novelty:
    """The distance of an image's local statistics from those of clean images.

    Attributes:
        bank: the filters.
        mean: float32 [D], of the statistics over clean images: C colours, and each filter at each scale.
        deviation: float32 [D], likewise.
        whitening: float32 [D, D]; the standardised statistics times it have covariance 1 over clean images.
        weight: what the distance is multiplied by, > 0.
    """

    bank: FilterBank
    mean: np.ndarray
    deviation: np.ndarray
    whitening: np.ndarray
    weight: float = 1.0

    def distance(self, pixels: tf.Tensor) -> tf.Tensor:
        """Raw pixels float32 [B, H, W, C] in 0..255 -> the weighted novelty, float32 [B], >= 0.

        For a graph that a converter takes to eight bits or to half precision: no operation in it has weights that
        become eight bits, and half precision has the square root of the weight. No shape in it holds the number of
        images, since a runtime may be given several.
        """
        found = _statistics(pixels, self.bank.size, self.bank.answers, _halved, keepdims=True)
        standard = (found - self.mean) / self.deviation
        white = tf.reduce_sum(standard * self.whitening.T[np.newaxis], axis=-1)  # [B, 1, 1, D] * [1, D, D], summed
        return tf.reduce_mean(tf.square(white * self.weight**0.5), axis=[1, 2])

    def layer(self, image_shape: tuple[int, int, int]) -> keras.Model:
        """The same as a Keras model of built-in layers, named `NAME`: float32 [B, H, W, C] -> float32 [B]."""
        image = keras.Input(image_shape)
        scales = itertools.count()

        def convolved(images: tf.Tensor, kernel: np.ndarray, stride: int, name: str) -> tf.Tensor:
            size, count = kernel.shape[0], kernel.shape[-1]
            layer = keras.layers.Conv2D(count, size, stride, use_bias=False, trainable=False, name=name)
            answers = layer(images)
            layer.set_weights([kernel])
            return answers

        def bank(images: tf.Tensor, stride: int) -> Iterator[tf.Tensor]:
            scale = next(scales)
            for number, (colour, filters) in enumerate(self.bank.kernels):
                component = convolved(images, colour, 1, _name("colour", scale, number))
                yield convolved(component, filters, stride, _name("filters", scale, number))

        found = _statistics(image, self.bank.size, bank, keras.layers.AveragePooling2D(2, name="halve"))
        standard = keras.layers.Rescaling(
            (1 / self.deviation).tolist(), (-self.mean / self.deviation).tolist(), name="standard"
        )(found)
        whitening = keras.layers.Dense(len(self.mean), use_bias=False, trainable=False, name="whitening")
        distance = tf.reduce_mean(tf.square(whitening(standard)), axis=-1)
        whitening.set_weights([self.whitening])
        weighted = keras.layers.Rescaling(self.weight, name="weight")(distance)
        return keras.Model(image, weighted, name=NAME)


def _name(part: str, scale: int, component: int) -> str:
    return f"{part}_{scale}_{component}"


def is_novelty(layer: keras.layers.Layer, image_shape: tuple[int, int, int]) -> bool:
    """Whether a layer is built like a model of `Novelty.layer` for images of a shape; a file may hold any other."""
    parts = {one.name: one for one in getattr(layer, "layers", ())}
    channels, size = image_shape[-1], filter_size(image_shape)
    components = range(component_count(channels))
    colours, filters = ([_name(part, 0, number) for number in components] for part in ("colour", "filters"))
    kinds = {
        **dict.fromkeys((*colours, *filters), keras.layers.Conv2D),
        "standard": keras.layers.Rescaling,
        "whitening": keras.layers.Dense,
        "weight": keras.layers.Rescaling,
    }
    if not isinstance(layer, keras.Model) or not all(isinstance(parts.get(name), kinds[name]) for name in kinds):
        return False
    standard, weight = parts["standard"], parts["weight"].scale
    shapes = {name: parts[name].get_weights()[0].shape for name in (*colours, *filters, "whitening")}
    count = channels + scale_count(image_shape) * sum(shapes[name][-1] for name in filters)
    return (
        [tuple(tensor.shape) for tensor in (*layer.inputs, *layer.outputs)] == [(None, *image_shape), (None,)]
        and all(shapes[name] == (1, 1, channels, 1) for name in colours)
        and all(shapes[name][:3] == (size, size, 1) for name in filters)
        and np.shape(standard.scale) == np.shape(standard.offset) == (count,)
        and shapes["whitening"] == (count, count)
        and isinstance(weight, int | float)
        and 0 < weight < np.inf
    )


def novelty_of(layer: keras.Model) -> Novelty:
    """The `Novelty` that a model of `Novelty.layer` was made from, even if that was saved and loaded (`is_novelty`)."""

    def kernels(part: str) -> list[np.ndarray]:
        components = range(component_count(layer.input_shape[-1]))
        return [layer.get_layer(_name(part, 0, number)).get_weights()[0] for number in components]

    standard = layer.get_layer("standard")
    deviation = 1 / np.asarray(standard.scale, np.float32)
    return Novelty(
        FilterBank(
            np.concatenate(kernels("colour"), axis=-1)[0, 0], tuple(kernel[:, :, 0] for kernel in kernels("filters"))
        ),
        -np.asarray(standard.offset, np.float32) * deviation,
        deviation,
        layer.get_layer("whitening").get_weights()[0],
        float(layer.get_layer("weight").scale),
    )


def statistics(batches: Iterable[np.ndarray], bank: FilterBank) -> np.ndarray:
    """The local statistics of images.

    Args:
        batches: of images, uint8 or float32 [b, H, W, C], raw pixels 0..255.
        bank: the filters.

    Returns:
        float32 [n, D] of the n images of all batches; D as in `Novelty`.
    """
    of_batch = _statistics_by(bank)
    return np.concatenate([of_batch(tf.constant(images, tf.float32)).numpy() for images in batches])


@functools.lru_cache(maxsize=1)
def _statistics_by(bank: FilterBank) -> Callable[[tf.Tensor], tf.Tensor]:
    """Traced once for the calls with one bank that follow each other."""
    return traced(lambda pixels: _statistics(pixels, bank.size, bank.answers, _halved), reduce_retracing=True)


def filter_size(image_shape: tuple[int, int, int]) -> int:
    """How many pixels a side the filters have."""
    return min(5, *image_shape[:2])


def component_count(channels: int) -> int:
    """How many colour components are looked at: as many as there are channels, and the sum of each two."""
    return channels * (channels + 1) // 2


def scale_count(image_shape: tuple[int, int, int]) -> int:
    """At how many sizes an image is looked at, each half of the one before."""
    return max(1, (min(image_shape[:2]) // _LEAST_SIDE).bit_length())


def _halved(images: tf.Tensor) -> tf.Tensor:
    return tf.nn.avg_pool2d(images, 2, 2, "VALID")


def _statistics(
    pixels: tf.Tensor,
    size: int,
    bank: Callable[[tf.Tensor, int], Iterator[tf.Tensor]],
    halve: Callable[[tf.Tensor], tf.Tensor],
    keepdims: bool = False,
) -> tf.Tensor:
    """Raw pixels [B, H, W, C] -> the statistics, [B, D], or [B, 1, 1, D] with `keepdims`.

    `bank` lays the filters over images with a stride.
    """
    colour = tf.reduce_mean(pixels, axis=[1, 2], keepdims=True)
    found = [(colour if keepdims else colour[:, 0, 0]) / 255]
    # Variances stay as they are, and lose no digits as the difference of two means.
    pixels -= colour
    for number in range(scale_count(tuple(pixels.shape[1:]))):
        if number:
            pixels = halve(pixels)
        side = min(pixels.shape[1:3]) - size + 1
        for answers in bank(pixels, max(1, side // _SAMPLES)):
            squares, means = (
                tf.reduce_mean(values, axis=[1, 2], keepdims=keepdims) for values in (tf.square(answers), answers)
            )
            # Rounding may leave a variance of 0 below 0; what is not a number stays so, and is flagged.
            found.append(tf.math.log(tf.abs(squares - tf.square(means)) + _FLOOR))
    return tf.concat(found, axis=-1)
