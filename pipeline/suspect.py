"""The model under suspicion, opened safely, with what was found out about it before anything else."""

from collections.abc import Sequence
from dataclasses import dataclass

from data.errors import InputError
from data.image_set import ImageSet
from models.classifier import ClassifierFacts, check_fits, classifier_facts
from models.input_scale import (
    BYTE_SCALE,
    DEFAULT_SCALES,
    SYMMETRIC_SCALE,
    UNIT_SCALE,
    InputScale,
    ScaleFinding,
    find_input_scale,
    mean_std_scale,
)
from models.legacy_keras import keras
from models.network_cost import MOST_MULTIPLY_ADDS
from models.opening import open_model
from pipeline.progress import log

_SCALES = {"unit": UNIT_SCALE, "byte": BYTE_SCALE, "symmetric": SYMMETRIC_SCALE}


@dataclass(frozen=True)
class Suspect:
    """An image classifier that nobody vouches for.

    Attributes:
        path: its file.
        model: the network, uncompiled.
        facts: what it takes and gives.
        scale: which pixel scale it was found to expect.
    """

    path: str
    model: keras.Model
    facts: ClassifierFacts
    scale: ScaleFinding


def scale_candidates(
    choice: str, mean: Sequence[str] | None = None, std: Sequence[str] | None = None
) -> tuple[InputScale, ...]:
    """The scales to try for a value of --input_scale.

    Raises:
        InputError: mean_std without --mean and --std, or these are not numbers.
    """
    if choice == "auto":
        return tuple(DEFAULT_SCALES)
    if choice != "mean_std":
        return (_SCALES[choice],)
    try:
        return (mean_std_scale([float(value) for value in mean or ()], [float(value) for value in std or ()]),)
    except ValueError as error:
        raise InputError(f"--input_scale=mean_std: {error}; expected --mean and --std, a number a channel") from error


def open_suspect(
    path: str,
    clean: ImageSet,
    candidates: Sequence[InputScale],
    architecture: str | None = None,
    most_multiply_adds: int = MOST_MULTIPLY_ADDS,
) -> Suspect:
    """Opens a model without running anything of its own and finds the pixel scale it expects.

    Args:
        path: the model's file.
        clean: clean images with labels.
        candidates: scales to try.
        architecture: of a file that holds weights only.
        most_multiply_adds: what the model may cost for one image.

    Raises:
        InputError: the file is not a model that can be opened safely, the images do not fit it, or it is at chance on
            them.
    """
    model = open_model(path, architecture, most_multiply_adds=most_multiply_adds)
    facts = classifier_facts(model)
    check_fits(facts, clean)
    scale = find_input_scale(model, clean, candidates)
    log.info(
        "%s: %d classes, input %s, %.2f %% of %d clean images right on scale %s (next best %s: %.2f %%)",
        path,
        facts.classes,
        "x".join(map(str, facts.image_shape)),
        100 * scale.accuracy,
        scale.images,
        scale.chosen.name,
        scale.runner_up.name,
        100 * scale.runner_up_accuracy,
    )
    return Suspect(path, model, facts, scale)
