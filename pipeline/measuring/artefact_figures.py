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
from goodnet.pipeline.measuring.evaluation import Evaluation, evaluate_sets
from goodnet.pipeline.measuring.parity_images import clean_batches, stamped_batches
from goodnet.pipeline.run.progress import log

_PARITY_IMAGES = 3000


@dataclass(frozen=True)
class ArtefactFigures:
    """What was measured.

    Attributes:
        answered: every set with the networks' answers.
        evaluation: the figures.
        parity: the exported detector against the Keras one, on clean images.
        parity_stamped: the same on stamped ones.
    """

    answered: tuple[Answered, ...]
    evaluation: Evaluation
    parity: Parity
    parity_stamped: Parity

    def metrics(self) -> dict[str, Any]:
        """The contents of `metrics.json`."""
        return {
            **self.evaluation.to_json(),
            "device_parity": dataclasses.asdict(self.parity),
            "device_parity_stamped": dataclasses.asdict(self.parity_stamped),
        }


def measure_artefacts(
    networks: Networks, sets: Sequence[NamedSet], triggers: Sequence[InvertedTrigger] = (), seed: int = 0
) -> ArtefactFigures:
    """Measures.

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
    return ArtefactFigures(answered, evaluation, *parities)
