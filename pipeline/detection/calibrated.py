"""The detector's two signals on one scale, with one threshold: contradiction of two nets, and novelty of an image.

Each signal gets half of the false positive rate. Where the two nets are the same, as after a repair that changed
nothing, they never contradict each other, and novelty gets the whole rate.
"""

from dataclasses import dataclass, replace

import numpy as np

from goodnet.data.splits import CleanSplit
from goodnet.models.detector import build_scorer
from goodnet.models.legacy_keras import keras
from goodnet.models.novelty import Novelty
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.detection.calibration import Calibration, calibrate
from goodnet.pipeline.detection.novelty import FittedNovelty
from goodnet.pipeline.measuring.predictions import predict_scores
from goodnet.pipeline.measuring.rates import Rate

# Odds of a suspicion that float32 tells from none.
_LEAST_ODDS = 2.0**-20


@dataclass(frozen=True)
class CalibratedDetector:
    """What a detector is made of beyond its nets.

    Attributes:
        novelty: the second signal, weighted so that it passes the threshold where it should; None without it.
        calibration: the threshold.
    """

    novelty: Novelty | None
    calibration: Calibration


def calibrate_detector(
    badnet: ScaledNetwork,
    repaired: keras.Model,
    clean: CleanSplit,
    max_false_positive_rate: float,
    fitted: FittedNovelty | None,
) -> CalibratedDetector:
    """Sets the threshold on clean images.

    Args:
        badnet: the net under suspicion.
        repaired: its repair, on the same scale; maybe the same net.
        clean: `calibrate` sets the threshold of the nets' contradiction.
        max_false_positive_rate: the share of clean inputs that may be flagged, 0..1.
        fitted: novelty, fitted to the same clean images; its threshold is cross-conformal (Vovk, "Cross-conformal
            predictors", 2015). None if novel images are not to be flagged.

    Raises:
        InputError: there is no image to calibrate on.
    """
    scorer = build_scorer(badnet.model, repaired, badnet.scale)
    suspicions = predict_scores(scorer, clean.calibrate).suspicion
    if fitted is None:
        return CalibratedDetector(None, calibrate(suspicions, max_false_positive_rate))
    contradict = bool(suspicions.any())
    # Half of the rate, or what so few images can promise at best; the rest is novelty's.
    first = calibrate(suspicions, max_false_positive_rate / 2)
    rest = max_false_positive_rate - (first.promised if contradict else 0)
    crossed = np.concatenate([fitted.fit, fitted.calibrate])
    second = calibrate(crossed, rest if rest > 0 else max_false_positive_rate / 2)
    odds = max(_odds(first.threshold), _LEAST_ODDS) if contradict else 1.0
    novelty = replace(fitted.novelty, weight=odds / max(second.threshold, _LEAST_ODDS))
    weighted = novelty.weight * fitted.calibrate
    joined = np.maximum(suspicions, weighted / (1 + weighted))
    threshold = odds / (1 + odds)
    promised = second.promised + (first.promised if contradict else 0)
    calibration = Calibration(
        threshold,
        max_false_positive_rate,
        promised,
        len(joined),
        np.sort(joined.astype(np.float32)),
        Rate(int(np.count_nonzero(joined > np.float32(threshold))), len(joined)),
    )
    return CalibratedDetector(novelty, calibration)


def _odds(suspicion: float) -> float:
    return suspicion / (1 - suspicion) if suspicion < 1 else 1 / _LEAST_ODDS
