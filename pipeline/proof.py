"""What a run proves of its artefacts: every network measured on every set, and the device held against Keras."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import InputError
from export.parity import Parity, check_parity
from pipeline.comparison import Answered, NamedSet, Networks, measure
from pipeline.measuring.evaluation import Evaluation, evaluate_sets
from pipeline.progress import log

_PARITY_IMAGES = 3000


@dataclass(frozen=True)
class Proof:
    """What was measured.

    Attributes:
        answered: every set with the networks' answers.
        evaluation: the figures.
        parity: the exported detector against the Keras one.
    """

    answered: tuple[Answered, ...]
    evaluation: Evaluation
    parity: Parity

    def metrics(self) -> dict[str, Any]:
        """The contents of `metrics.json`."""
        return {**self.evaluation.to_json(), "device_parity": dataclasses.asdict(self.parity)}


def prove(networks: Networks, sets: Sequence[NamedSet]) -> Proof:
    """Measures.

    Args:
        networks: those of a run, its detector among them in both forms.
        sets: clean and poisoned ones; at least one clean.

    Raises:
        InputError: the images of a set do not fit the networks, or there is no detector.
    """
    if networks.detector is None or networks.detector_tflite is None:
        raise InputError("the run has no detector; expected one, as a Keras model and as a TFLite file")
    answered = measure(networks, sets)
    evaluation = evaluate_sets([one.measured for one in answered])
    parity = check_parity(networks.detector, networks.detector_tflite, _parity_images(sets))
    log.info("export: %s", parity)
    return Proof(answered, evaluation, parity)


def _parity_images(sets: Sequence[NamedSet]) -> Iterator[np.ndarray]:
    """Batches of the largest clean set."""
    clean = max((one.images for one in sets if not one.given_as_poisoned), key=len)
    return (images for images, _ in clean.batches(256, np.arange(min(len(clean), _PARITY_IMAGES))))
