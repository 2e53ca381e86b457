"""What a network expects of pixels, found on clean data, because a file doesn't say."""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.errors import InputError
from data.image_set import ImageSet
from models.answers import answers_of
from models.classifier import ClassifierFacts, check_fits, classifier_facts
from models.input_scale import DEFAULT_SCALES, InputScale
from models.label_order import LabelOrder, better_label_order
from models.legacy_keras import keras
from models.significance import SIGNIFICANCE, chance_probability

_MOST_IMAGES = 2048
_BATCH_SIZE = 256
# Of many candidates all get a first look at few images, and the best few of them the whole sample.
_FIRST_LOOK = 256
_FINALISTS = 3
# What float32 cannot tell from 0 beside 1. Without a floor one image that a sure network gets wrong outweighs hundreds.
_LEAST_PROBABILITY = float(np.finfo(np.float32).eps)
# A difference of fewer standard errors than this is noise (5 % of the normal distribution).
_NOISE = 2.0
# Mean log-likelihoods that are closer than float32 gets them are equal.
_EQUAL = 1e-6
_CAUSES = "the scale or order of the pixels' channels (--input_scale, --channel_order), the order of the labels"


class AtChance(enum.Enum):
    """What becomes of a network that is no better than chance on the images."""

    REFUSE = "refuse"
    WARN = "warn"


@dataclass(frozen=True)
class ScaleFinding:
    """Which preprocessing was chosen, and how close the next one came.

    Attributes:
        chosen: the one with the largest mean log-likelihood of the true class on clean data.
        accuracy: its accuracy, 0..1.
        runner_up: the next best one that answers otherwise; the chosen one itself if there was none.
        runner_up_accuracy: its accuracy, 0..1, on the same images.
        images: how many clean images were looked at.
        likelihood: the chosen one's mean log-likelihood, in nats.
        runner_up_likelihood: the runner-up's, in nats.
        standard_error: of the difference of the two, paired image by image, in nats; infinite of one image.
        confidence: mean probability of the class that the network answers with the chosen one, 0..1.
        warnings: what a person should look at before trusting a result, a sentence each.
    """

    chosen: InputScale
    accuracy: float
    runner_up: InputScale
    runner_up_accuracy: float
    images: int
    likelihood: float = 0.0
    runner_up_likelihood: float = 0.0
    standard_error: float = 0.0
    confidence: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def within_noise(self) -> bool:
        """Whether other images might well have chosen the runner-up."""
        difference = self.likelihood - self.runner_up_likelihood
        return self.runner_up != self.chosen and difference < _NOISE * self.standard_error


@dataclass(frozen=True, eq=False)
class _Trial:
    """What a network says of n images with one candidate: its classes, their probability, the true class' log."""

    scale: InputScale
    classes: np.ndarray
    confidences: np.ndarray
    log_likelihoods: np.ndarray

    @property
    def likelihood(self) -> float:
        return float(self.log_likelihoods.mean())


def find_input_scale(
    model: keras.Model,
    clean: ImageSet,
    candidates: Sequence[InputScale] = DEFAULT_SCALES,
    seed: int = 0,
    at_chance: AtChance = AtChance.REFUSE,
) -> ScaleFinding:
    """Tries every candidate on clean images and takes the one that makes the true classes most likely.

    Accuracy would not do: a network of ReLUs gives much the same classes when its input is 255 times too large, but
    with a certainty that every mistake belies. Of more than 2,048 images a seeded sample is looked at, and of more than
    three candidates the best three on 256 of them. Of candidates that do equally well the first is taken.

    Args:
        model: an image classifier with N outputs.
        clean: clean images that the model was made for, with labels in [0, N - 1].
        candidates: what to try, at least one that fits the number of channels.
        seed: of the sample.
        at_chance: what to do with a model that is at chance with every candidate, or with images of one class, on which
            nobody could tell.

    Returns:
        The finding.

    Raises:
        InputError: the images do not fit the model, no candidate fits its channels, or `at_chance` refuses it.
    """
    facts = classifier_facts(model)
    check_fits(facts, clean)
    channels = facts.image_shape[2]
    fitting = [candidate for candidate in candidates if candidate.fits(channels)]
    if not fitting:
        names = ", ".join(candidate.name for candidate in candidates)
        raise InputError(f"--input_scale, --channel_order: {names} is not for images of {channels} channel(s)")
    sample = _sample(clean, _MOST_IMAGES, seed)
    first_look = [_try(model, _sample(sample, _FIRST_LOOK, seed), scale) for scale in fitting]
    finalists = _ranked(first_look)
    if len(fitting) > _FINALISTS:
        finalists = _different(finalists)[:_FINALISTS]
    trials = _ranked([_try(model, sample, trial.scale) for trial in finalists])
    ranked = _different(trials)
    chosen, runner_up = ranked[0], ranked[min(1, len(ranked) - 1)]
    differences = chosen.log_likelihoods - runner_up.log_likelihoods
    images = len(sample)
    finding = ScaleFinding(
        chosen.scale,
        float(np.mean(chosen.classes == sample.labels)),
        runner_up.scale,
        float(np.mean(runner_up.classes == sample.labels)),
        images,
        chosen.likelihood,
        runner_up.likelihood,
        float(differences.std(ddof=1) / math.sqrt(images)) if images > 1 else math.inf,
        float(chosen.confidences.mean()),
    )
    order = None
    if _classes_in(sample) > 1:
        # Where the labels are in another order, no candidate is right, and their likelihood chooses none.
        order = _label_order([*trials, *first_look], sample, seed, facts.classes)
    doubt = _at_chance(facts, sample, finding, fitting, order)
    if doubt and at_chance is AtChance.REFUSE:
        raise InputError(f"{doubt}; expected clean data of this model (--allow_chance goes on nevertheless)")
    warnings = [doubt, _noise(sample, finding), _other_order(sample, order), _overconfidence(sample, finding)]
    return ScaleFinding(**{**vars(finding), "warnings": tuple(warning for warning in warnings if warning)})


def _try(model: keras.Model, sample: ImageSet, scale: InputScale) -> _Trial:
    answers = answers_of(model, scale)
    classes, confidences, logs = [], [], []
    for images, labels in sample.batches(_BATCH_SIZE):
        probabilities = answers(images).astype(np.float64)
        # A wrong scale may overflow: NaN is no answer, and the least likely one.
        likelihoods = np.nan_to_num(probabilities[np.arange(len(labels)), labels])
        classes.append(probabilities.argmax(axis=1))
        confidences.append(np.nan_to_num(probabilities.max(axis=1)))
        logs.append(np.log(np.clip(likelihoods, _LEAST_PROBABILITY, 1.0)))
    return _Trial(scale, np.concatenate(classes), np.concatenate(confidences), np.concatenate(logs))


def _ranked(trials: Sequence[_Trial]) -> list[_Trial]:
    """The likeliest first; equal ones stay in their order."""
    return sorted(trials, key=lambda trial: -round(trial.likelihood / _EQUAL))


def _different(ranked: Sequence[_Trial]) -> list[_Trial]:
    """Leaves out what answers as one before it on every image, as both orders of channels do on grey images."""
    kept: list[_Trial] = []
    for trial in ranked:
        if not any(np.allclose(trial.log_likelihoods, other.log_likelihoods, rtol=0, atol=1e-4) for other in kept):
            kept.append(trial)
    return kept


def _classes_in(sample: ImageSet) -> int:
    return len(np.unique(sample.labels))


def _label_order(trials: Sequence[_Trial], sample: ImageSet, seed: int, classes: int) -> LabelOrder | None:
    first_look = _sample(sample, _FIRST_LOOK, seed).labels
    found = [
        better_label_order(
            trial.classes,
            sample.labels if len(trial.classes) == len(sample) else first_look,
            classes,
            SIGNIFICANCE / len(trials),
        )
        for trial in trials
    ]
    return max(
        (order for order in found if order is not None), key=lambda order: order.right / order.images, default=None
    )


def _at_chance(
    facts: ClassifierFacts,
    sample: ImageSet,
    finding: ScaleFinding,
    candidates: Sequence[InputScale],
    order: LabelOrder | None,
) -> str | None:
    images = len(sample)
    counts = np.bincount(sample.labels)
    if counts.max() == images and images > 1:
        return (
            f"{sample.name}: all {images} images have the label {sample.labels[0]}; with several classes one could tell"
            " a good model from a constant one"
        )
    # The best that a model which ignores the image can do: guess, or always say the most frequent label.
    chance = max(1 / facts.classes, counts.max() / images)
    correct = round(finding.accuracy * images)
    # The best of several candidates was taken, so each of them has only its share of the significance level.
    if chance_probability(correct, images, chance) <= SIGNIFICANCE / len(candidates):
        return None
    tried = ", ".join(scale.name for scale in candidates)
    renamed = "" if order is None else f". {_described(order)}"
    return (
        f"{sample.name}: the model gets {correct} of {images} images right at best (input scales tried: {tried}); that"
        f" is no better than chance ({chance:.1%} by a constant answer){renamed}"
    )


def _noise(sample: ImageSet, finding: ScaleFinding) -> str | None:
    if not finding.within_noise:
        return None
    return (
        f"{sample.name}: on {finding.images} images the pixel scale {finding.chosen.name} is not clearly better than"
        f" {finding.runner_up.name} (log-likelihood {finding.likelihood:.3f} against {finding.runner_up_likelihood:.3f},"
        f" standard error of the difference {finding.standard_error:.3f}); more clean images would tell, or"
        " --input_scale and --channel_order"
    )


def _other_order(sample: ImageSet, order: LabelOrder | None) -> str | None:
    return None if order is None else f"{sample.name}: {_described(order)}"


def _described(order: LabelOrder) -> str:
    shown = ", ".join(f"{label} -> {answer}" for label, answer in order.renamed[:5])
    more = ", ..." if len(order.renamed) > 5 else ""
    return (
        f"the labels seem to be in another order than the model's classes: renamed ({shown}{more}) it gets"
        f" {order.right} of {order.images} images right, as they are {order.right_as_given}"
    )


def _overconfidence(sample: ImageSet, finding: ScaleFinding) -> str | None:
    """A network that claims to be right more often than not, and is wrong more often than not.

    Ordinary networks are too sure of themselves by some points, and rightly unsure on hard data. To contradict itself
    on which is the more frequent is another matter: it was trained on other inputs.
    """
    wrong = round((1 - finding.accuracy) * finding.images)
    if finding.confidence <= 0.5 or chance_probability(wrong, finding.images, 0.5) > SIGNIFICANCE:
        return None
    return (
        f"{sample.name}: the model is {finding.confidence:.0%} sure of its answers on average, but right on"
        f" {finding.accuracy:.0%} of {finding.images} images; usual causes: {_CAUSES}, or data of another kind"
    )


def _sample(clean: ImageSet, most: int, seed: int) -> ImageSet:
    if len(clean) <= most:
        return clean
    drawn = np.random.default_rng(seed).choice(len(clean), most, replace=False)
    return clean.subset(np.sort(drawn), name=clean.name)
