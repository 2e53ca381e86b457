"""Which pixel scale a classifier was trained on: found on clean data, because a file doesn't say."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.errors import InputError
from data.image_set import ImageSet
from models.classifier import ClassifierFacts, check_fits, classifier_facts, with_probabilities
from models.legacy_keras import keras, tf

_MOST_IMAGES = 2048
_BATCH_SIZE = 256
_SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class InputScale:
    """What a model wants of raw pixels: `model input = raw * scale + offset`.

    Attributes:
        name: for people, such as "0..1".
        scale: one factor for all channels, or one a channel.
        offset: one summand for all channels, or one a channel.
    """

    name: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Scales raw pixels 0..255, [..., C] of any dtype, to the float32 a model takes."""
        return images.astype(np.float32) * np.asarray(self.scale, np.float32) + np.asarray(self.offset, np.float32)

    def layer(self, name: str = "input_scale") -> keras.layers.Layer:
        """A built-in Keras layer that does what `apply` does, float32 in and out."""
        return keras.layers.Rescaling(_number_or_list(self.scale), _number_or_list(self.offset), name=name)


UNIT_SCALE = InputScale("0..1", (1 / 255,), (0.0,))
BYTE_SCALE = InputScale("0..255", (1.0,), (0.0,))
SYMMETRIC_SCALE = InputScale("-1..1", (1 / 127.5,), (-1.0,))
DEFAULT_SCALES = (UNIT_SCALE, BYTE_SCALE, SYMMETRIC_SCALE)


def mean_std_scale(mean: Sequence[float], std: Sequence[float]) -> InputScale:
    """The scale `(raw / 255 - mean) / std`, per channel or for all channels.

    Args:
        mean: one or C means of pixels on the scale 0..1 (as in ImageNet's 0.485, 0.456, 0.406).
        std: as many standard deviations, on the same scale.

    Returns:
        The scale.

    Raises:
        InputError: the lengths differ or are neither 1 nor 3, or a value is not one of pixels in 0..1.
    """
    means, stds = tuple(map(float, mean)), tuple(map(float, std))
    if len(means) != len(stds) or len(means) not in (1, 3):
        raise InputError(f"--mean, --std: {len(means)} and {len(stds)} values; expected one or three of each")
    if not all(0 <= value <= 1 for value in means) or not all(0 < value <= 1 for value in stds):
        raise InputError(f"--mean, --std: {means}, {stds} are not of pixels in 0..1; if of 0..255, divide by 255")
    name = f"mean {_listed(means)}, std {_listed(stds)}"
    scale = tuple(1 / (255 * value) for value in stds)
    return InputScale(name, scale, tuple(-mean / std for mean, std in zip(means, stds, strict=True)))


@dataclass(frozen=True)
class ScaleFinding:
    """Which scale was chosen, and how close the next one came.

    Attributes:
        chosen: the scale with the best accuracy on clean data.
        accuracy: its accuracy, 0..1.
        runner_up: the next best scale; the chosen one itself if there was only one candidate.
        runner_up_accuracy: its accuracy, 0..1.
        images: how many clean images were looked at.
    """

    chosen: InputScale
    accuracy: float
    runner_up: InputScale
    runner_up_accuracy: float
    images: int


def find_input_scale(
    model: keras.Model, clean: ImageSet, candidates: Sequence[InputScale] = DEFAULT_SCALES, seed: int = 0
) -> ScaleFinding:
    """Tries every candidate scale on clean images and takes the most accurate one.

    Equal accuracies are told apart by the mean log-likelihood of the true class. Of more than 2,048 images, a seeded
    sample is looked at.

    Args:
        model: an image classifier with N outputs.
        clean: clean images that the model was made for, with labels in [0, N - 1].
        candidates: scales to try, at least one.
        seed: of the sample.

    Returns:
        The finding.

    Raises:
        InputError: the images do not fit the model, or the model is at chance on every scale.
    """
    facts = classifier_facts(model)
    check_fits(facts, clean)
    sample = _sample(clean, seed)
    probabilities = with_probabilities(model)
    scored = [(*_accuracy_and_likelihood(probabilities, sample, scale), scale) for scale in candidates]
    ranked = sorted(scored, key=lambda entry: entry[:2], reverse=True)
    (accuracy, _, chosen), (runner_up_accuracy, _, runner_up) = ranked[0], ranked[min(1, len(ranked) - 1)]
    _refuse_chance(facts, sample, accuracy, candidates)
    return ScaleFinding(chosen, accuracy, runner_up, runner_up_accuracy, len(sample))


def chance_probability(correct: int, images: int, chance: float) -> float:
    """Exact one-sided binomial test: how probable it is to get so many right by chance.

    Args:
        correct: images classified correctly.
        images: images looked at.
        chance: probability that a guess is right, 0..1.

    Returns:
        P(X >= correct) for X ~ Binomial(images, chance).
    """
    if correct <= 0 or chance >= 1:
        return 1.0
    logs = [
        math.lgamma(images + 1)
        - math.lgamma(count + 1)
        - math.lgamma(images - count + 1)
        + count * math.log(chance)
        + (images - count) * math.log1p(-chance)
        for count in range(correct, images + 1)
    ]
    return min(1.0, math.fsum(map(math.exp, logs)))


def _refuse_chance(facts: ClassifierFacts, sample: ImageSet, accuracy: float, candidates: Sequence[InputScale]) -> None:
    images = len(sample)
    correct = round(accuracy * images)
    counts = np.bincount(sample.labels)
    if counts.max() == images and images > 1:
        raise InputError(
            f"{sample.name}: all {images} images have the label {sample.labels[0]}; expected several"
            " classes, one cannot tell a good model from a constant one"
        )
    # The best that a model which ignores the image can do: guess, or always say the most frequent label.
    chance = max(1 / facts.classes, counts.max() / images)
    # The best of several scales was taken, so each of them has only its share of the significance level.
    if chance_probability(correct, images, chance) > _SIGNIFICANCE / len(candidates):
        scales = ", ".join(scale.name for scale in candidates)
        raise InputError(
            f"{sample.name}: the model gets {correct} of {images} clean images right at best (input scales tried:"
            f" {scales}); that is no better than chance ({chance:.1%} by a constant answer), expected clean data of"
            " this model"
        )


def _sample(clean: ImageSet, seed: int) -> ImageSet:
    if len(clean) <= _MOST_IMAGES:
        return clean
    drawn = np.random.default_rng(seed).choice(len(clean), _MOST_IMAGES, replace=False)
    return clean.subset(np.sort(drawn), name=clean.name)


def _accuracy_and_likelihood(model: keras.Model, sample: ImageSet, scale: InputScale) -> tuple[float, float]:
    predict = tf.function(lambda batch: model(batch, training=False))
    correct, log_likelihood = 0, 0.0
    for images, labels in sample.batches(_BATCH_SIZE):
        probabilities = np.asarray(predict(tf.constant(scale.apply(images))), np.float64)
        correct += int(np.sum(np.argmax(probabilities, axis=1) == labels))
        likelihoods = probabilities[np.arange(len(labels)), labels]
        log_likelihood += float(np.sum(np.log(np.clip(likelihoods, 1e-30, 1.0))))
    return correct / len(sample), log_likelihood / len(sample)


def _number_or_list(values: tuple[float, ...]) -> float | list[float]:
    return values[0] if len(values) == 1 else list(values)


def _listed(values: Sequence[float]) -> str:
    return "/".join(f"{value:g}" for value in values)
