"""BadNet, pruned, repaired and detector held against each other on the same sets."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet
from goodnet.models.classifier import check_fits
from goodnet.models.legacy_keras import keras
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.detection.strip import CalibratedStrip
from goodnet.pipeline.measuring.evaluation import MeasuredSet, measured_set
from goodnet.pipeline.measuring.predictions import (
    BADNET,
    DETECTOR,
    PRUNED,
    REPAIRED,
    StagePredictions,
    predict_detector,
    predict_on_device,
)


@dataclass(frozen=True)
class Networks:
    """The networks of a run; those that are not at hand are None.

    Attributes:
        badnet: the suspect.
        pruned: after pruning, on its scale.
        repaired: the repaired classifier, on its scale.
        detector: the N+1 detector, raw pixels.
        detector_tflite: path of the detector that ships.
        strip: a second opinion, of the suspect alone.
    """

    badnet: ScaledNetwork
    pruned: keras.Model | None = None
    repaired: keras.Model | None = None
    detector: keras.Model | None = None
    detector_tflite: str | None = None
    strip: CalibratedStrip | None = None

    def predict(self, image_set: ImageSet) -> tuple[StagePredictions, ...]:
        """The answers of each network on a set.

        Raises:
            InputError: the images do not fit the networks.
        """
        facts = self.badnet.facts
        check_fits(facts, image_set)
        classifiers = ((BADNET, self.badnet.model), (PRUNED, self.pruned), (REPAIRED, self.repaired))
        answers = [
            StagePredictions(stage, self.badnet.with_model(model).labels(image_set))
            for stage, model in classifiers
            if model is not None
        ]
        if self.detector is not None:
            answers.append(predict_detector(self.detector, image_set))
            if answers[-1].backdoor_label != facts.classes:
                raise InputError(f"{DETECTOR}: its classes are not the BadNet's; expected {facts.classes} and one")
        if self.detector_tflite is not None:
            answers.append(predict_on_device(self.detector_tflite, facts.classes, image_set))
        if self.strip is not None:
            answers.append(self.strip.predictions(self.badnet, image_set, claimed=answers[0].labels))
        return tuple(answers)


@dataclass(frozen=True)
class NamedSet:
    """A set to measure on.

    Attributes:
        name: short, for tables; different from that of other sets.
        images: the set.
        given_as_poisoned: the user says that it is poisoned (a set may also say so itself).
    """

    name: str
    images: ImageSet
    given_as_poisoned: bool = False


@dataclass(frozen=True)
class Answered:
    """A set with every network's answers, as images (for pictures) and as labels (for figures)."""

    images: ImageSet
    measured: MeasuredSet


def measure(networks: Networks, sets: Sequence[NamedSet]) -> tuple[Answered, ...]:
    """Lets the networks answer on every set."""
    return tuple(
        Answered(
            one.images,
            measured_set(one.images, networks.predict(one.images), one.name, one.images.name, one.given_as_poisoned),
        )
        for one in sets
    )


def distinct_names(paths: Sequence[str]) -> list[str]:
    """Short names for files: the last part of each path, with a number where two are alike."""
    names = [os.path.basename(os.path.normpath(path)) for path in paths]
    return [name if names.count(name) == 1 else f"{name} ({index + 1})" for index, name in enumerate(names)]
