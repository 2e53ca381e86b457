"""One BadNet, repaired by several methods in one process: a row for each."""

import dataclasses
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.zoo.badnets import make_badnet, poisoned_tests
from bench.zoo.datasets import load_sets
from bench.zoo.draw import Draw
from bench.zoo.methods import ZOO_METHODS
from bench.zoo.rows import BETWEEN_KINDS, Outcome, cell_name
from goodnet.data.image_set import ImageSet
from goodnet.data.splits import split_clean
from goodnet.models.detector import build_scorer
from goodnet.models.input_scale import DEFAULT_SCALES
from goodnet.models.legacy_keras import keras
from goodnet.pipeline.detection.calibrated import calibrate_detector
from goodnet.pipeline.detection.novelty import fit_novelty
from goodnet.pipeline.inputs.suspect import open_suspect
from goodnet.pipeline.measuring.metrics import attack_success, clean_accuracy, robust_accuracy
from goodnet.pipeline.measuring.predictions import predict_scores
from goodnet.pipeline.methods.repair_method import Repair, RepairSettings
from goodnet.pipeline.run.output_files import sha256_of
from goodnet.pipeline.run.source_digest import source_digest
from goodnet.pipeline.training.devices import select_devices
from goodnet.pipeline.training.run_config import RunConfig

_MAX_FALSE_POSITIVE_RATE = 0.01


@dataclass(frozen=True)
class Place:
    """Where data and networks are.

    Attributes:
        data_dir: the folder with gtsrb/ and cifar10/, or None.
        cache_dir: where faces and trained networks are kept.
    """

    data_dir: str | None
    cache_dir: str


def repaired_rows(draw: Draw, methods: Sequence[str], percent: float, place: Place) -> Iterator[Mapping[str, Any]]:
    """Makes a BadNet and repairs it, through the Python API and the one pair of networks that the detector ships.

    Nothing poisoned is made before a repair and its threshold are done.

    Args:
        draw: of the BadNet; its seed is the repair's, too.
        methods: names in ZOO_METHODS.
        percent: clean data, of the training set's size.
        place: where data and networks are.

    Yields:
        A row for each method, as it is done.

    Raises:
        InputError: there is no such data, or a repair refuses it.
    """
    strategy = select_devices("auto").strategy
    sets = load_sets(draw, place.data_dir, place.cache_dir)
    path = make_badnet(draw, sets, place.cache_dir)
    clean = split_clean(sets.clean(percent, draw.seed), draw.seed)
    suspect = open_suspect(path, clean.fit, DEFAULT_SCALES)
    started = time.monotonic()
    novelty = fit_novelty(clean.fit, clean.calibrate, draw.seed)
    # The same for every method, so that each has its time, too.
    fitting = time.monotonic() - started
    for method in methods:
        keras.utils.set_random_seed(draw.seed)
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as work_dir:
            run = RunConfig(strategy, draw.seed, work_dir)
            outcome = ZOO_METHODS[method](suspect, clean.fit.in_memory(), RepairSettings(), run)
        badnet, repaired = suspect.network, outcome.repaired
        # All methods get the same detector; what differs is the repaired network in it.
        found = calibrate_detector(badnet, repaired, clean, _MAX_FALSE_POSITIVE_RATE, novelty)
        scorer = build_scorer(badnet.model, repaired, badnet.scale, found.novelty)
        threshold = found.calibration.threshold
        seconds = fitting + time.monotonic() - started
        yield {
            "cell": cell_name(draw.seed, percent, method),
            "seed": draw.seed,
            "held_out": draw.held_out,
            "clean_percent": f"{percent:g}",
            "dataset": draw.dataset,
            "network": draw.network,
            "width": draw.width,
            "kinds": BETWEEN_KINDS.join(one.trigger.kind for one in draw.attacks) or "clean",
            "method": method,
            **_evidence(outcome),
            "targets": " ".join(str(target) for target in sorted({one.target for one in draw.attacks})),
            **_figures(scorer, threshold, sets.test, poisoned_tests(draw, sets.test), draw),
            "seconds": f"{seconds:.1f}",
            "badnet_sha256": sha256_of(path),
            "code": source_digest(),
        }


def _evidence(outcome: Repair) -> dict[str, Any]:
    """What a method found, if it looked for anything, and whether it changed the network."""
    found: dict[str, Any] = {"changed": not outcome.unchanged}
    if outcome.evidence is not None:
        verdict = outcome.evidence.verdict
        found.update(verdict=verdict.name, named=" ".join(map(str, verdict.targets)))
    return found


def _figures(
    scorer: keras.Model, threshold: float, test: ImageSet, poisoned: Sequence[ImageSet], draw: Draw
) -> dict[str, Any]:
    scores = predict_scores(scorer, test)
    outcomes = [
        _outcome(scorer, threshold, images, attack.trigger.kind, attack.target)
        for images, attack in zip(poisoned, draw.attacks, strict=True)
    ]
    return {
        "acc_before": _share(clean_accuracy(test.labels, scores.claimed).value),
        "acc_after": _share(clean_accuracy(test.labels, scores.repaired_label).value),
        "fpr": _share(float(np.mean(scores.suspicion > np.float32(threshold)))),
        **_over_triggers(outcomes),
        "triggers": json.dumps([dataclasses.asdict(one) for one in outcomes]),
    }


def _outcome(scorer: keras.Model, threshold: float, poisoned: ImageSet, kind: str, target: int) -> Outcome:
    scores = predict_scores(scorer, poisoned)
    wanted, true = poisoned.labels, poisoned.true_labels
    assert true is not None
    flagged = scores.suspicion > np.float32(threshold)
    return Outcome(
        kind=kind,
        target=target,
        asr_before=_share(attack_success(wanted, true, scores.claimed).value),
        asr_after=_share(attack_success(wanted, true, scores.repaired_label).value),
        asr_shipped=_share(float(np.mean(~flagged & (scores.repaired_label == wanted)))),
        ra=_share(robust_accuracy(wanted, true, scores.repaired_label).value),
        tpr=_share(float(np.mean(flagged))),
    )


def _over_triggers(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Means, and the worst, for who reads the file itself; nothing for a clean network."""
    if not outcomes:
        return {}
    means = {name: _mean([getattr(one, name) for one in outcomes]) for name in ("asr_before", "asr_after", "ra", "tpr")}
    return {
        **means,
        "asr_before_worst": min(one.asr_before for one in outcomes),
        "asr_after_worst": max(one.asr_after for one in outcomes),
        "tpr_worst": min(one.tpr for one in outcomes),
    }


def _mean(values: Sequence[float]) -> float:
    return _share(sum(values) / len(values))


def _share(value: float) -> float:
    return round(value, 6)
