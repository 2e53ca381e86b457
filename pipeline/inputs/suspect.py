"""Opens the model under suspicion safely, and finds out what every step needs to know of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from goodnet.data.errors import InputError
from goodnet.data.fitting import fitted
from goodnet.data.image_set import ImageSet
from goodnet.models.class_outputs import with_softmax_tail
from goodnet.models.classifier import ClassifierFacts, check_fits, classifier_facts
from goodnet.models.input_scale import SCALES_BY_NAME, InputScale, mean_std_scale
from goodnet.models.input_scale_search import AtChance, ScaleFinding, find_input_scale
from goodnet.models.legacy_keras import keras
from goodnet.models.loading.network_cost import MOST_MULTIPLY_ADDS
from goodnet.models.loading.opening import open_model
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.run.progress import log

# Enough to tell logits from probabilities, which sum to 1 on every one of them.
_IMAGES_TO_PROBE = 64


@dataclass(frozen=True)
class Suspect:
    """An image classifier that nobody vouches for.

    Attributes:
        path: its file, or what it is called if it came without one.
        network: the model, uncompiled, on the scale that was found; it ends in softmax wherever its outputs are
            probabilities.
        scale: how that scale was found.
    """

    path: str
    network: ScaledNetwork
    scale: ScaleFinding

    @property
    def model(self) -> keras.Model:
        """The network's model."""
        return self.network.model

    @property
    def facts(self) -> ClassifierFacts:
        """What the model takes and gives."""
        return self.network.facts


def scale_candidates(
    choice: str, mean: Sequence[str] | None = None, std: Sequence[str] | None = None, order: str = "auto"
) -> tuple[InputScale, ...]:
    """What to try for the values of --input_scale and --channel_order, the simplest first.

    Raises:
        InputError: mean_std without --mean and --std, or these are not numbers.
    """
    both: tuple[tuple[InputScale, InputScale], ...]
    if choice == "mean_std":
        try:
            scale = mean_std_scale([float(value) for value in mean or ()], [float(value) for value in std or ()])
        except ValueError as error:
            raise InputError(
                f"--input_scale=mean_std: {error}; expected --mean and --std, a number a channel"
            ) from error
        both = ((scale, scale.with_bgr()),)
    else:
        both = tuple(SCALES_BY_NAME.values()) if choice == "auto" else (SCALES_BY_NAME[choice],)
    places = {"auto": (0, 1), "rgb": (0,), "bgr": (1,)}[order]
    return tuple(orders[place] for place in places for orders in both)


def chance_policy(allow_chance: bool) -> AtChance:
    """What --allow_chance asks for."""
    return AtChance.WARN if allow_chance else AtChance.REFUSE


def open_classifier(
    path: str,
    images: ImageSet,
    architecture: str | None = None,
    most_multiply_adds: int = MOST_MULTIPLY_ADDS,
    name: str | None = None,
) -> keras.Model:
    """Opens a model without running anything of its own; what its outputs are is told by what they are on images.

    Args:
        path: the model's file.
        images: images of its size, or such as `data.fitting.fitted` makes of it; their labels do not matter here.
        architecture: of a file that holds weights only.
        most_multiply_adds: what the model may cost for one image.
        name: what messages call it; None for its path.

    Raises:
        InputError: the file is not a classifier that can be opened safely, or the images do not fit it.
    """
    model = open_model(path, architecture, images.image_shape, most_multiply_adds=most_multiply_adds, name=name)
    facts = classifier_facts(model)
    images = fitted(images, facts.image_shape)
    check_fits(facts, images)
    # Outputs that are probabilities are so on pixels of any scale, but a scale that is too large may overflow.
    pixels, _ = next(images.batches(min(_IMAGES_TO_PROBE, len(images))))
    try:
        return with_softmax_tail(model, model.predict_on_batch(pixels.astype("float32") / 255))
    except InputError as error:
        raise InputError(f"{name or path}: {error}") from error


def open_suspect(
    path: str,
    clean: ImageSet,
    candidates: Sequence[InputScale],
    architecture: str | None = None,
    at_chance: AtChance = AtChance.REFUSE,
    most_multiply_adds: int = MOST_MULTIPLY_ADDS,
    name: str | None = None,
) -> Suspect:
    """Opens a model without running anything of its own and finds out what it expects of pixels.

    Args:
        path: the model's file.
        clean: clean images with labels, of its size or such as `data.fitting.fitted` makes of it.
        candidates: what to try.
        architecture: of a file that holds weights only.
        at_chance: what to do where the model is no better than chance, or nobody could tell.
        most_multiply_adds: what the model may cost for one image.
        name: what messages and the report call it; None for its path.

    Raises:
        InputError: the file is not a model that can be opened safely, the images do not fit it, or it is at chance on
            them and `at_chance` refuses that.
    """
    model = open_classifier(path, clean, architecture, most_multiply_adds, name)
    image_shape = classifier_facts(model).image_shape
    scale = find_input_scale(model, fitted(clean, image_shape), candidates, at_chance=at_chance)
    suspect = Suspect(name or path, ScaledNetwork(model, scale.chosen), scale)
    log.info(
        "%s: %d classes, input %s, %.2f %% of %d images right on scale %s, log-likelihood %.3f%s",
        suspect.path,
        suspect.facts.classes,
        "x".join(map(str, suspect.facts.image_shape)),
        100 * scale.accuracy,
        scale.images,
        scale.chosen.name,
        scale.likelihood,
        _next_best(scale),
    )
    for warning in scale.warnings:
        log.warning("%s", warning)
    return suspect


def _next_best(scale: ScaleFinding) -> str:
    if scale.runner_up == scale.chosen:
        return ""
    return (
        f" (next best {scale.runner_up.name}: {100 * scale.runner_up_accuracy:.2f} %, {scale.runner_up_likelihood:.3f};"
        f" standard error of the difference {scale.standard_error:.3f})"
    )


def scale_findings(scale: ScaleFinding) -> dict[str, Any]:
    """What a manifest says of the preprocessing: plain JSON types."""
    return {
        "input_scale": scale.chosen.to_json(),
        "input_scale_accuracy": scale.accuracy,
        "input_scale_likelihood": scale.likelihood,
        "input_scale_runner_up": {
            "name": scale.runner_up.name,
            "accuracy": scale.runner_up_accuracy,
            "likelihood": scale.runner_up_likelihood,
            "standard_error_of_the_difference": scale.standard_error if scale.images > 1 else None,
        },
        "input_scale_warnings": list(scale.warnings),
    }
