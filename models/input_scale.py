"""What a network expects of raw pixels: their scale, the order of their channels, standardisation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from goodnet.data.errors import InputError
from goodnet.models.legacy_keras import keras, tf

_BGR_NAME = " BGR"


@dataclass(frozen=True)
class InputScale:
    """The preprocessing between raw RGB pixels and a network.

    In this order: the channels are reversed if `bgr`; then either each image is standardised or each channel is scaled,
    `model input = raw * scale + offset`.

    Attributes:
        name: for people, such as "0..1".
        scale: one factor for all channels, or one a channel in the order that the network takes them in.
        offset: one summand for all channels, or one a channel in the same order.
        bgr: the network takes blue first.
        per_image: each image is brought to mean 0 and variance 1, as `tf.image.per_image_standardization` does on raw
            pixels; `scale` and `offset` are then 1 and 0.
    """

    name: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    bgr: bool = False
    per_image: bool = False

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Turns raw RGB pixels 0..255, [..., H, W, C] of any dtype, into the float32 that a model takes."""
        pixels = images.astype(np.float32)
        if self.bgr:
            pixels = pixels[..., ::-1]
        if not self.per_image:
            return pixels * np.asarray(self.scale, np.float32) + np.asarray(self.offset, np.float32)
        axes = (-3, -2, -1)
        deviation = np.maximum(pixels.std(axes, keepdims=True), _least_deviation(pixels.shape))
        return (pixels - pixels.mean(axes, keepdims=True)) / deviation

    def tensor(self, images: tf.Tensor) -> tf.Tensor:
        """What `apply` does, as a piece of a differentiable graph.

        Args:
            images: float32 [..., H, W, C], raw RGB pixels 0..255; H, W and C are known.

        Returns:
            float32 of the same shape. On symbolic Keras tensors it leaves functions that `models.loading.opening`
            knows.
        """
        if self.bgr:
            images = tf.gather(images, [2, 1, 0], axis=-1)
        if not self.per_image:
            return images * tf.constant(self.scale, tf.float32) + tf.constant(self.offset, tf.float32)
        axes = [-3, -2, -1]
        # Export knows the piece by this name, as it knows `layer` by its own.
        with tf.name_scope("input_scale"):
            centred = images - tf.reduce_mean(images, axis=axes, keepdims=True)
            deviation = tf.sqrt(tf.reduce_mean(tf.square(centred), axis=axes, keepdims=True))
            return centred / tf.maximum(deviation, _least_deviation(images.shape))

    def layer(self, image_shape: Sequence[int], name: str = "input_scale") -> keras.layers.Layer:
        """What `apply` does, as a built-in layer (`Rescaling`), or a small model of built-in layers and functions.

        Args:
            image_shape: (height, width, channels).
            name: of the layer or model.

        Returns:
            float32 [B, H, W, C] raw pixels -> float32 [B, H, W, C].
        """
        if not self.bgr and not self.per_image:
            return self._rescaling(name)
        image = keras.Input(tuple(image_shape), name="raw_pixels")
        if self.per_image:
            return keras.Model(image, self.tensor(image), name=name)
        reversed_channels = tf.gather(image, [2, 1, 0], axis=-1)
        return keras.Model(image, self._rescaling("scaled_pixels")(reversed_channels), name=name)

    def fits(self, channels: int) -> bool:
        """Whether images of so many channels can be given to it."""
        return max(len(self.scale), len(self.offset)) in (1, channels) and (channels == 3 or not self.bgr)

    def with_bgr(self) -> "InputScale":
        """The same for a network that takes blue first; each channel keeps its own numbers."""
        return replace(
            self, name=self.name + _BGR_NAME, scale=self.scale[::-1], offset=self.offset[::-1], bgr=not self.bgr
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, which `from_json` reads."""
        return {**asdict(self), "scale": list(self.scale), "offset": list(self.offset)}

    @classmethod
    def from_json(cls, stored: Any) -> "InputScale":
        """Reads what `to_json` gave, also of runs that knew neither `bgr` nor `per_image`.

        Raises:
            InputError: it is no such thing.
        """
        try:
            numbers = [stored[name] for name in ("scale", "offset")]
            flags = [stored.get(name, False) for name in ("bgr", "per_image")]
            sound = isinstance(stored["name"], str) and all(isinstance(flag, bool) for flag in flags)
            sound = sound and all(isinstance(values, list) and len(values) in (1, 3) for values in numbers)
            # An integer may be larger than any float: then this is an OverflowError.
            sound = sound and all(type(one) in (int, float) and math.isfinite(one) for one in numbers[0] + numbers[1])
        except (AttributeError, KeyError, OverflowError, TypeError):
            sound = False
        if not sound:
            raise InputError(
                f"input scale: {str(stored)[:80]!r}; expected a name, one or three finite numbers each for scale and"
                " offset, and two flags"
            )
        scale, offset = (tuple(map(float, values)) for values in numbers)
        return cls(stored["name"], scale, offset, *flags)

    def _rescaling(self, name: str) -> keras.layers.Layer:
        return keras.layers.Rescaling(_number_or_list(self.scale), _number_or_list(self.offset), name=name)


def mean_std_scale(mean: Sequence[float], std: Sequence[float]) -> InputScale:
    """The scale `(raw / 255 - mean) / std`, per channel or for all channels.

    Args:
        mean: one or C means of pixels on the scale 0..1 (as in ImageNet's 0.485, 0.456, 0.406), red first.
        std: as many standard deviations, on the same scale.

    Returns:
        The scale.

    Raises:
        InputError: the lengths differ or are neither 1 nor 3, or a value is not one of pixels in 0..1.
    """
    means, stds = tuple(map(float, mean)), tuple(map(float, std))
    if len(means) != len(stds) or len(means) not in (1, 3):
        raise InputError(f"--mean, --std: {len(means)} and {len(stds)} values; expected one or three of each")
    # NaN and infinity fail these comparisons, too.
    if not all(0 <= value <= 1 for value in means) or not all(0 < value <= 1 for value in stds):
        raise InputError(f"--mean, --std: {means}, {stds} are not of pixels in 0..1; if of 0..255, divide by 255")
    return _standardised(f"mean {_listed(means)}, std {_listed(stds)}", means, stds)


def _standardised(name: str, mean: tuple[float, ...], std: tuple[float, ...]) -> InputScale:
    scale = tuple(1 / (255 * value) for value in std)
    return InputScale(name, scale, tuple(-mean / std for mean, std in zip(mean, std, strict=True)))


def _least_deviation(shape: Sequence[int]) -> float:
    return 1 / math.sqrt(shape[-3] * shape[-2] * shape[-1])


def _number_or_list(values: tuple[float, ...]) -> float | list[float]:
    return values[0] if len(values) == 1 else list(values)


def _listed(values: Sequence[float]) -> str:
    return "/".join(f"{value:g}" for value in values)


# `tf`, `caffe` and `torch` are the modes of `keras.applications.imagenet_utils.preprocess_input`.
UNIT_SCALE = InputScale("0..1", (1 / 255,), (0.0,))
BYTE_SCALE = InputScale("0..255", (1.0,), (0.0,))
SYMMETRIC_SCALE = InputScale("-1..1", (1 / 127.5,), (-1.0,))  # mode `tf`
TORCH_SCALE = _standardised("torch (ImageNet's mean and std)", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CENTRED_SCALE = InputScale("0..255 minus ImageNet's means", (1.0, 1.0, 1.0), (-123.68, -116.779, -103.939))
CAFFE_SCALE = replace(CENTRED_SCALE.with_bgr(), name="caffe (BGR, 0..255 minus ImageNet's means)")
PER_IMAGE_SCALE = InputScale("per image (mean 0, variance 1)", (1.0,), (0.0,), per_image=True)

# By the value of --input_scale: (red first, blue first).
SCALES_BY_NAME: Mapping[str, tuple[InputScale, InputScale]] = {
    **{
        name: (scale, scale.with_bgr())
        for name, scale in (("unit", UNIT_SCALE), ("byte", BYTE_SCALE), ("symmetric", SYMMETRIC_SCALE))
    },
    "torch": (TORCH_SCALE, TORCH_SCALE.with_bgr()),
    "caffe": (CENTRED_SCALE, CAFFE_SCALE),
    "per_image": (PER_IMAGE_SCALE, PER_IMAGE_SCALE.with_bgr()),
}
# What is tried, the simplest first: of candidates that do equally well, the first is taken.
DEFAULT_SCALES = tuple(orders[place] for place in (0, 1) for orders in SCALES_BY_NAME.values())
