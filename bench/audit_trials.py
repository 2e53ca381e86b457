"""One model made, measured and audited: a row."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.audit_cases import CLEAN, FACES, GTSRB, SHAPES, Case
from bench.audit_data import Sets, draw_sets
from bench.small_nets import SMALL_NETS
from data.image_set import ImageSet
from data.poisoning import Attack, poison_training_set
from data.triggers.catalogue import parse_attack
from models.legacy_keras import keras
from pipeline.inversion.audit import Audit, audit_model, default_settings
from pipeline.inversion.verdict import BACKDOOR
from pipeline.inversion.verdict import CLEAN as CALLED_CLEAN
from pipeline.training.badnet import INPUT_SCALE, BadNetSettings, fit_badnet
from pipeline.training.devices import Devices

COLUMNS = (
    "case",
    "kind",
    "seed",
    "dataset",
    "network",
    "classes",
    "attacks",
    "images",
    "accuracy",
    "asr",
    "verdict",
    "targets",
    "outcome",
    "patch_label",
    "patch_index",
    "patch_alarm",
    "patch_held_out",
    "blend_label",
    "blend_index",
    "blend_alarm",
    "blend_held_out",
    "reason",
    "train_cpu_seconds",
    "audit_cpu_seconds",
)

# What an attack must reach to count as one, and a model to be worth an attack.
LEAST_SUCCESS, LEAST_ACCURACY = 0.9, 0.7

_EPOCHS = {GTSRB: 9, SHAPES: 12, FACES: 14}

FALSE_ALARM, FOUND, FOUND_AMONG_OTHERS, WRONG_TARGET, INCONCLUSIVE, MISSED, RIGHTLY_CLEAN, WEAK = (
    "false alarm",
    "found",
    "found among others",
    "wrong target",
    "inconclusive",
    "missed",
    "clean",
    "weak",
)


def run_trial(case: Case, images: int, gtsrb_dir: str | None, devices: Devices) -> Mapping[str, Any]:
    """Makes a model and audits it, unless it is too weak to count.

    Args:
        case: what to make.
        images: clean images that the audit gets, at most; 0 for all.
        gtsrb_dir: the folder with GTSRB, for cases of it.
        devices: where to train.

    Returns:
        A row, by `COLUMNS`.
    """
    keras.backend.clear_session()
    sets = draw_sets(case, gtsrb_dir)
    attacks = [parse_attack(text) for text in case.attacks]
    started = time.process_time()
    model = _train(case, sets, attacks, devices)
    trained = time.process_time()
    accuracy = _share(model, sets.test.images(), sets.test.labels)
    asr = min((_asr(model, sets.test, attack) for attack in attacks), default=None)
    clean = sets.clean
    if images:
        clean = clean.subset(np.sort(np.random.default_rng(case.seed).permutation(len(clean))[:images]))
    row = {
        "case": case.name,
        "kind": case.kind,
        "seed": case.seed,
        "dataset": case.dataset,
        "network": case.network,
        "classes": case.classes,
        "attacks": " ".join(case.attacks),
        "images": len(clean),
        "accuracy": f"{accuracy:.4f}",
        "asr": "" if asr is None else f"{asr:.4f}",
        "train_cpu_seconds": f"{trained - started:.1f}",
    }
    if is_weak(accuracy, asr):
        return {**row, "outcome": WEAK, "reason": "too weak to count, so not audited"}
    measured = time.process_time()
    audit = audit_model(model, clean, INPUT_SCALE, case.classes, default_settings(clean, case.seed))
    ended = time.process_time()
    targets = {attack.target_label for attack in attacks if attack.target_label is not None}
    return {**row, **verdict_columns(audit, targets), "audit_cpu_seconds": f"{ended - measured:.1f}"}


def verdict_columns(audit: Audit, targets: set[int]) -> dict[str, Any]:
    """What an audit said and what it is worth, by `COLUMNS`.

    Args:
        audit: what was found.
        targets: the true ones; none for a clean model.
    """
    return {
        "verdict": audit.verdict.name,
        "targets": " ".join(map(str, audit.verdict.targets)),
        "outcome": outcome(audit, targets),
        **_evidence(audit),
        "reason": audit.verdict.reason,
    }


def is_weak(accuracy: float, asr: float | None) -> bool:
    """Whether a model is bad at its task, or its attack fails: it counts for nothing.

    Args:
        accuracy: 0..1, on clean images.
        asr: 0..1, of the attack that succeeds least; None for a clean model.
    """
    return accuracy < LEAST_ACCURACY or (asr is not None and asr < LEAST_SUCCESS)


def outcome(audit: Audit, targets: set[int]) -> str:
    """What the verdict is worth.

    "found" needs one of the true targets and none that is not, "found among others" one of them, beside labels that are
    none; a clean model's "inconclusive" is told apart from its "clean" and from a false alarm.
    """
    verdict, named = audit.verdict.name, set(audit.verdict.targets)
    if not targets:
        return FALSE_ALARM if verdict == BACKDOOR else RIGHTLY_CLEAN if verdict == CALLED_CLEAN else INCONCLUSIVE
    if verdict == BACKDOOR:
        return FOUND if named <= targets else FOUND_AMONG_OTHERS if named & targets else WRONG_TARGET
    return MISSED if verdict == CALLED_CLEAN else INCONCLUSIVE


def _train(case: Case, sets: Sets, attacks: list[Attack], devices: Devices) -> keras.Model:
    settings = BadNetSettings(
        network=case.network,
        poison_share=0.2,
        epochs=_EPOCHS[case.dataset],
        learning_rate=3e-3,
        batch_size=32,
        max_shift=0,
        seed=case.seed if case.kind == CLEAN else 10_000 + case.seed,
    )
    keras.utils.set_random_seed(settings.seed)
    training = poison_training_set(sets.train, attacks, settings.poison_share, settings.seed) if attacks else sets.train
    model = SMALL_NETS[case.network](case.classes, sets.train.image_shape)
    fit_badnet(model, training, settings, devices, case.name)
    return model


def _asr(model: keras.Model, test: ImageSet, attack: Attack) -> float:
    others = np.flatnonzero(test.labels != attack.target_label)
    stamped = attack.trigger.stamp(test.images(others))
    return _share(model, stamped, np.full(len(others), attack.target_label))


def _share(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> float:
    return float((model.predict(INPUT_SCALE.apply(images), verbose=0).argmax(axis=1) == labels).mean())


def _evidence(audit: Audit) -> dict[str, Any]:
    """The most suspicious label of each family."""
    columns: dict[str, Any] = {}
    for ordinary in audit.families:
        family = ordinary.family
        columns[f"{family}_alarm"] = f"{ordinary.alarm_index:.2f}"
        first = next((one for one in audit.suspicions if one.family == family and one.anomaly_index is not None), None)
        if first is not None:
            columns[f"{family}_label"] = first.trigger.label
            columns[f"{family}_index"] = f"{first.anomaly_index:.2f}"
            columns[f"{family}_held_out"] = f"{first.confirmation.held_out.count}/{first.confirmation.held_out.total}"
    return columns
