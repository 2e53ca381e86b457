"""The figures of what a run wrote: every network measured on every set, and the device held against Keras."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodnet.data.errors import InputError
from goodnet.export.parity import Parity, check_parity
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.measuring.comparison import Answered, NamedSet, Networks, measure
from goodnet.pipeline.measuring.evaluation import Evaluation, MeasuredSet, evaluate_sets
from goodnet.pipeline.measuring.examples import Example, misclassified_clean, successful_attacks
from goodnet.pipeline.measuring.parity_images import clean_batches, stamped_batches
from goodnet.pipeline.measuring.predictions import REPAIRED
from goodnet.pipeline.measuring.structure import Structure, compare_structure
from goodnet.pipeline.run.progress import log

_PARITY_IMAGES = 3000
_PICTURES_PER_SET = 12


@dataclass(frozen=True)
class ArtefactFigures:
    """What was measured.

    Attributes:
        evaluation: the figures.
        measured: every set with the networks' answers.
        attacks: pictures of attacks that worked on the BadNet.
        mistakes: pictures of clean images that the repaired network gets wrong.
        structure: the suspect beside the repaired network, layer by layer.
        parity: the exported detector against the Keras one, on clean images.
        parity_stamped: the same on stamped ones.
    """

    evaluation: Evaluation
    measured: tuple[MeasuredSet, ...] = ()
    attacks: tuple[Example, ...] = ()
    mistakes: tuple[Example, ...] = ()
    structure: Structure | None = None
    parity: Parity | None = None
    parity_stamped: Parity | None = None

    def metrics(self) -> dict[str, Any]:
        """The contents of `metrics.json`."""
        return {
            **self.evaluation.to_json(),
            "device_parity": _as_json(self.parity),
            "device_parity_stamped": _as_json(self.parity_stamped),
        }


def measure_artefacts(
    networks: Networks, sets: Sequence[NamedSet], triggers: Sequence[InvertedTrigger] = (), seed: int = 0
) -> ArtefactFigures:
    """Measures everything that a report shows.

    Args:
        networks: those of a run, its detector among them in both forms.
        sets: clean and poisoned ones; at least one clean.
        triggers: those that the repair inverted; the two detectors are compared on them, too.
        seed: of the other stamps that they are compared on.

    Raises:
        InputError: the images of a set do not fit the networks, or there is no detector.
    """
    if networks.detector is None or networks.detector_tflite is None:
        raise InputError("the run has no detector; expected one, as a Keras model and as a TFLite file")
    answered = measure(networks, sets)
    evaluation = evaluate_sets([one.measured for one in answered])
    clean = max((one.images for one in sets if not one.given_as_poisoned), key=len)
    places = np.arange(min(len(clean), _PARITY_IMAGES))
    parities = []
    for name, batches in (
        ("clean", clean_batches(clean, places)),
        ("stamped", stamped_batches(clean, places, seed, triggers)),
    ):
        parities.append(check_parity(networks.detector, networks.detector_tflite, batches))
        log.info("on device: %s images: %s", name, parities[-1])
    structure = None if networks.repaired is None else compare_structure(networks.badnet.model, networks.repaired)
    measured = tuple(one.measured for one in answered)
    return ArtefactFigures(evaluation, measured, _attacks(answered), _mistakes(answered), structure, *parities)


def _as_json(parity: Parity | None) -> dict[str, Any] | None:
    return None if parity is None else dataclasses.asdict(parity)


def _attacks(answered: Sequence[Answered]) -> tuple[Example, ...]:
    return tuple(
        example
        for one in answered
        if one.measured.poisoned
        for example in successful_attacks(
            one.images, one.measured.predictions, _PICTURES_PER_SET, name=one.measured.name
        )
    )


def _mistakes(answered: Sequence[Answered]) -> tuple[Example, ...]:
    return tuple(
        example
        for one in answered
        if not one.measured.poisoned
        for example in misclassified_clean(
            one.images, one.measured.predictions, _PICTURES_PER_SET, REPAIRED, name=one.measured.name
        )
    )
