"""Finds on clean data what a network expects of pixels, because a file doesn't say."""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from goodnet.data.batch_sizes import images_at_once
from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet
from goodnet.models.classifier import ClassifierFacts, check_fits, classifier_facts
from goodnet.models.input_scale import DEFAULT_SCALES, InputScale
from goodnet.models.label_order import LabelOrder, better_label_order
from goodnet.models.legacy_keras import keras
from goodnet.models.scaled_network import Probabilities, scaled_probabilities
from goodnet.models.significance import SIGNIFICANCE, chance_probability

_MOST_IMAGES = 2048
# Of many candidates all get a first look at few images, and the best few of them the whole sample.
_FIRST_LOOK = 256
_FINALISTS = 3
# What float32 cannot tell from 0 beside 1. Without a floor one image that a sure network gets wrong outweighs hundreds.
_LEAST_PROBABILITY = float(np.finfo(np.float32).eps)
# Log-likelihoods that float32 may give twice differently.
_SAME = 1e-4
# A difference of fewer standard errors than this is noise (5 % of the normal distribution).
_NOISE = 2.0
_CAUSES = "the scale or order of the pixels' channels (--input_scale, --channel_order), the order of the labels"


class AtChance(enum.Enum):
    """What to do with a network that is no better than chance on the images."""

    REFUSE = "refuse"
    WARN = "warn"


@dataclass(frozen=True)
class ScaleFinding:
    """Which preprocessing was chosen, and how close the next one came.

    Attributes:
        chosen: the first of those whose mean log-likelihood of the true class on clean data is the largest, up to what
            one image more could change.
        accuracy: its accuracy, 0..1.
        runner_up: the likeliest other one that is not equivalent; the chosen one itself if there was none.
        runner_up_accuracy: its accuracy, 0..1, on the same images.
        images: how many clean images were looked at.
        likelihood: the chosen one's mean log-likelihood, in nats.
        runner_up_likelihood: the runner-up's, in nats.
        standard_error: of the difference of the two, paired image by image, in nats; infinite of one image.
        within_noise: whether other images might well have chosen the runner-up.
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
    within_noise: bool = False
    confidence: float = 0.0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Trial:
    """A network's answers to n images with one candidate.

    Attributes:
        scale: the candidate.
        classes: int64 [n], in [0, N - 1].
        confidences: float64 [n], their probabilities.
        log_likelihoods: float64 [n], logarithms of the true classes' probabilities, in nats.
        inputs: float64 [n], a fixed random projection of what the network was given.
    """

    scale: InputScale
    classes: np.ndarray
    confidences: np.ndarray
    log_likelihoods: np.ndarray
    inputs: np.ndarray

    @property
    def likelihood(self) -> float:
        """Mean log-likelihood, in nats."""
        return float(self.log_likelihoods.mean())

    def at(self, places: np.ndarray) -> "Trial":
        """The same of some of the images."""
        return Trial(
            self.scale,
            self.classes[places],
            self.confidences[places],
            self.log_likelihoods[places],
            self.inputs[places],
        )


@dataclass(frozen=True, eq=False)
class Choice:
    """The chosen candidate, and the likeliest other one that is not equivalent (itself if there is none)."""

    best: Trial
    runner_up: Trial

    @property
    def scale(self) -> InputScale:
        """What was chosen."""
        return self.best.scale

    @property
    def standard_error(self) -> float:
        """Of the difference of the mean log-likelihoods, paired image by image; infinite of one image."""
        differences = self.best.log_likelihoods - self.runner_up.log_likelihoods
        images = len(differences)
        return float(differences.std(ddof=1) / math.sqrt(images)) if images > 1 else math.inf

    @property
    def within_noise(self) -> bool:
        """Whether other images might well have chosen the runner-up."""
        difference = self.best.likelihood - self.runner_up.likelihood
        return self.runner_up is not self.best and difference <= _NOISE * self.standard_error


def find_input_scale(
    model: keras.Model,
    clean: ImageSet,
    candidates: Sequence[InputScale] = DEFAULT_SCALES,
    seed: int = 0,
    at_chance: AtChance = AtChance.REFUSE,
) -> ScaleFinding:
    """Tries every candidate on clean images and takes the one that makes the true classes most likely.

    Accuracy would not do: a network of ReLUs gives much the same classes when its input is 255 times too large, but
    with a certainty that every mistake belies. Of candidates that the images cannot tell apart the first is
    taken. Of more than 2,048 images a seeded sample is looked at, with those candidates that are good on 256 of them.

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
    answers = scaled_probabilities(model)
    first_look = [try_candidate(answers, _sample(sample, _FIRST_LOOK, seed), scale) for scale in fitting]
    trials = first_look
    if len(sample) > _FIRST_LOOK:
        trials = [try_candidate(answers, sample, trial.scale) for trial in _finalists(first_look, sample, seed)]
    choice = choose(trials, sample.labels)
    chosen, runner_up = choice.best, choice.runner_up
    finding = ScaleFinding(
        chosen.scale,
        float(np.mean(chosen.classes == sample.labels)),
        runner_up.scale,
        float(np.mean(runner_up.classes == sample.labels)),
        len(sample),
        chosen.likelihood,
        runner_up.likelihood,
        choice.standard_error,
        choice.within_noise,
        float(chosen.confidences.mean()),
    )
    order = None
    if _classes_in(sample) > 1:
        # Where the labels are in another order, no candidate is right, and their likelihood chooses none.
        order = _label_order([*trials, *first_look], chosen, sample, seed, facts.classes)
    doubt = _at_chance(facts, sample, finding, fitting, order)
    if doubt and at_chance is AtChance.REFUSE:
        raise InputError(f"{doubt}; expected clean data of this model (--allow_chance goes on nevertheless)")
    warnings = [doubt, _noise(sample, finding), _other_order(sample, order), _overconfidence(sample, finding)]
    return replace(finding, warnings=tuple(warning for warning in warnings if warning))


def try_candidate(answers: Probabilities, sample: ImageSet, scale: InputScale) -> Trial:
    """Lets a network (`models.scaled_network.scaled_probabilities`) answer on every image with one candidate."""
    projection = np.random.default_rng(0).normal(size=sample.image_shape)
    classes, confidences, logs, inputs = [], [], [], []
    for images, labels in sample.batches(images_at_once(sample.image_shape)):
        scaled = scale.apply(images)
        probabilities = answers(scaled).astype(np.float64)
        # A wrong scale may overflow: NaN is no answer, and the least likely one.
        likelihoods = np.nan_to_num(probabilities[np.arange(len(labels)), labels])
        classes.append(probabilities.argmax(axis=1))
        confidences.append(np.nan_to_num(probabilities.max(axis=1)))
        logs.append(np.log(np.clip(likelihoods, _LEAST_PROBABILITY, 1.0)))
        inputs.append(np.tensordot(scaled, projection, 3))
    return Trial(scale, *(np.concatenate(parts) for parts in (classes, confidences, logs, inputs)))


def choose(trials: Sequence[Trial], labels: np.ndarray) -> Choice:
    """Chooses among candidates that were tried on the same images.

    Args:
        trials: one a candidate, the simplest first.
        labels: int64 [n], the true classes.
    """
    chosen = _as_good_as_the_best(trials, labels)[0]
    others = [trial for trial in trials if not _equivalent(trial, chosen)]
    return Choice(chosen, max(others, key=lambda trial: trial.likelihood, default=chosen))


def _equivalent(one: Trial, other: Trial) -> bool:
    """Whether two candidates are interchangeable: the same input (both orders of grey images), or the same answers.

    Certainty on every image is no sign of that: a BadNet is certain of its trigger on any scale.
    """
    same_answers = np.allclose(one.log_likelihoods, other.log_likelihoods, rtol=0, atol=_SAME)
    return np.allclose(one.inputs, other.inputs) or (same_answers and one.likelihood < -_SAME)


def _finalists(first_look: Sequence[Trial], sample: ImageSet, seed: int) -> list[Trial]:
    """The candidates that pass the first look, in their order: the likeliest, and all that are as good."""
    likeliest = sorted(first_look, key=lambda trial: -trial.likelihood)[:_FINALISTS]
    good = _as_good_as_the_best(first_look, _sample(sample, _FIRST_LOOK, seed).labels)
    return [trial for trial in first_look if trial in likeliest or trial in good]


def _as_good_as_the_best(trials: Sequence[Trial], labels: np.ndarray) -> list[Trial]:
    """The likeliest candidate, and those that cannot be told from it, in the candidates' order.

    Where a network is right on nearly all images, likelihood rewards whatever makes it surer, such as pixels of a
    larger, wrong scale: what that costs shows in a mistake only. Hence a candidate is as good as the likeliest if one
    image more, which the likeliest gets wrong for sure, would make up for the difference, and if it is not less
    accurate by more than one standard error (Breiman et al., "Classification and Regression Trees", 1984, section
    3.4.3).
    """
    best = max(trials, key=lambda trial: trial.likelihood)
    one_mistake = -math.log(_LEAST_PROBABILITY) / len(labels)
    right = best.classes == labels
    good = []
    for trial in trials:
        lost = int(np.sum(right & (trial.classes != labels)))
        gained = int(np.sum(~right & (trial.classes == labels)))
        if best.likelihood - trial.likelihood <= one_mistake and lost - gained <= math.sqrt(lost + gained):
            good.append(trial)
    return good


def _classes_in(sample: ImageSet) -> int:
    return len(np.unique(sample.labels))


def _label_order(
    trials: Sequence[Trial], chosen: Trial, sample: ImageSet, seed: int, classes: int
) -> LabelOrder | None:
    """The best renaming of classes with any candidate, if it beats the chosen candidate with the given labels."""
    right = chosen.classes == sample.labels
    looked_at = {len(sample): np.arange(len(sample)), _FIRST_LOOK: _drawn(len(sample), _FIRST_LOOK, seed)}
    found = []
    for trial in trials:
        places = looked_at[len(trial.classes)]
        order = better_label_order(
            trial.classes, sample.labels[places], classes, right[places], SIGNIFICANCE / len(trials)
        )
        if order is not None:
            found.append(order)
    return max(found, key=lambda order: order.right / order.images, default=None)


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
            f"{sample.name}: all {images} images have the label {sample.labels[0]}; only several classes tell a good"
            " model from a constant one"
        )
    # A model that ignores the image may guess, anew with each candidate, so that each of these has only its share of
    # the significance level; or say the most frequent label, whatever the candidate.
    guess, constant = 1 / facts.classes, counts.max() / images
    correct = round(finding.accuracy * images)
    chance = max(guess, constant)
    if (
        chance_probability(correct, images, guess) <= SIGNIFICANCE / len(candidates)
        and chance_probability(correct, images, chance) <= SIGNIFICANCE
    ):
        return None
    tried = ", ".join(scale.name for scale in candidates[:3]) + (", ..." if len(candidates) > 3 else "")
    renamed = "" if order is None else f". {_described(order)}"
    return (
        f"{sample.name}: the model gets {correct} of {images} images right at best ({len(candidates)} input"
        f" scale(s) tried: {tried}); that is no better than chance ({chance:.1%} by a constant answer){renamed}"
    )


def _noise(sample: ImageSet, finding: ScaleFinding) -> str | None:
    if not finding.within_noise:
        return None
    likelihoods = f"{finding.likelihood:.3f} against {finding.runner_up_likelihood:.3f}"
    return (
        f"{sample.name}: on {finding.images} images the pixel scale {finding.chosen.name} is not clearly better than"
        f" {finding.runner_up.name} (log-likelihood {likelihoods}, standard error of the difference"
        f" {finding.standard_error:.3f}); more clean images would tell, or --input_scale and --channel_order"
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
    """Warns of a network that claims to be right more often than not, and is wrong more often than not.

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
    return clean if len(clean) <= most else clean.subset(_drawn(len(clean), most, seed), name=clean.name)


def _drawn(images: int, most: int, seed: int) -> np.ndarray:
    if images <= most:
        return np.arange(images)
    return np.sort(np.random.default_rng(seed).choice(images, most, replace=False))
