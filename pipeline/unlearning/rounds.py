"""Unlearning in rounds: what survives one round is inverted in the next, and unlearned too.

The minimax of I-BAU (Zeng et al., "Adversarial Unlearning of Backdoors via Implicit Hypergradient", ICLR 2022) with
Neural Cleanse's triggers in place of one perturbation: each round inverts triggers of the suspected labels against the
network as it is by then, and tunes it on clean images, a share of which carry a trigger found so far and are taught as
what they are (`teaching`). After the rounds the suspected labels' weights in the last layer are fitted anew
(`refitting`): tuning alone moves them but little, and what was not inverted of a trigger lives on in them.
"""

import functools
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from models.answers import Answers
from models.classifier import with_probabilities
from models.legacy_keras import keras
from models.model_copy import copy_with_weights
from pipeline.inversion.keeping import kept_found
from pipeline.inversion.search import BestStarts, InversionSettings, invert_from_best_starts, invert_triggers
from pipeline.inversion.suspicious import Trigger
from pipeline.inversion.trigger import InvertedTrigger
from pipeline.inversion.warps import InvertedWarp, WarpSettings, invert_warps
from pipeline.progress import log
from pipeline.training.batches import Batches
from pipeline.training.devices import Devices
from pipeline.training.loop import Epoch, train
from pipeline.training.tuning import TuningSettings, freeze
from pipeline.unlearning.refitting import refit_labels
from pipeline.unlearning.stamping import StampSome
from pipeline.unlearning.teaching import Teaching

# The L2 norm that each weight's gradient is cut at: a backdoor that is sure of itself makes a loss of 10 and more,
# which would drown what the clean images say.
_MOST_GRADIENT = 1.0


@dataclass(frozen=True)
class UnlearningSettings:
    """How triggers are unlearned.

    Attributes:
        rounds: of inversion and tuning.
        steps: optimizer steps of tuning in a round, at least; whole epochs are made of them.
        last_steps: steps after the rounds, likewise, on all triggers found, while the learning rate decays to zero
            (cosine).
        learning_rate: Adam's.
        stamped_share: share of the images that carry a trigger, 0..1.
        varied_share: share of these whose trigger is varied, 0..1.
        starts: random starts of each inversion.
        first_starts: of patches in the first round; after as many steps as in any other `starts` of them go on. A
            pattern over the whole image ends much the same from anywhere.
        most_pixels: triggers found in later rounds that have this size or more are left out, of patches and of blended
            patterns: whoever paints so much reaches a class without a backdoor, and to unlearn that costs clean
            accuracy. A round that finds nothing smaller is the last.
        most_displacement: pixels, the same for warps.
        inversion: the inversion in a round.
        warping: that of warps.
        first_steps: optimizer steps of both in the first round, before anything is tuned. A short search ends beside
            the trigger, in a smear of its colour and others; a long one ends in a part of it.
        batch_norm: let batch norms learn.
    """

    rounds: int
    steps: int
    last_steps: int
    learning_rate: float
    stamped_share: float
    varied_share: float
    starts: int
    first_starts: int
    most_pixels: tuple[float, float]
    most_displacement: float
    inversion: InversionSettings
    warping: WarpSettings
    first_steps: int
    batch_norm: bool = False


def unlearn(
    model: keras.Model,
    batches: Batches,
    teacher: Answers,
    suspects: Sequence[Trigger],
    settings: UnlearningSettings,
    devices: Devices,
    checkpoint_dir: str,
) -> tuple[keras.Model, tuple[Epoch, ...]]:
    """Tunes a copy of a network until triggers of the suspected labels are hard to find.

    Args:
        model: softmax outputs or logits; it is not changed.
        batches: clean images.
        teacher: what the network is to answer where there is no trigger: the suspect.
        suspects: the triggers to start with. Their labels are looked at in every round, in both families of patches and
            patterns: which of the two stands out first is chance where images are few, and a label can have both.
            Waves are not searched again.
        settings: how.
        devices: where to train.
        checkpoint_dir: where triggers and trainings are kept; a finished part found there is not done again.

    Returns:
        The tuned network and its epochs.
    """
    pool = list(suspects)
    history: tuple[Epoch, ...] = ()
    for number in range(settings.rounds):
        folder = os.path.join(checkpoint_dir, f"round_{number}")
        survivors = _inverted_again(model, batches, suspects, settings, number, folder)
        if number and not survivors:
            break
        pool = (pool if number else _not_found_better(pool, survivors)) + survivors
        epochs = -(-settings.steps // batches.steps_per_epoch)
        done = len(history)
        model, trained = _tuned(
            model, batches, teacher, pool, settings, devices, folder, epochs, decays=False, first=done
        )
        history += trained
    # Not before the rounds: of a refitted network they would find less, end early, and leave more of the backdoor.
    model = refit_labels(model, {trigger.label for trigger in suspects}, batches)
    folder = os.path.join(checkpoint_dir, "last")
    epochs = -(-settings.last_steps // batches.steps_per_epoch)
    model, trained = _tuned(
        model, batches, teacher, pool, settings, devices, folder, epochs, decays=True, first=len(history)
    )
    return model, history + trained


def _inverted_again(
    model: keras.Model,
    batches: Batches,
    suspects: Sequence[Trigger],
    settings: UnlearningSettings,
    number: int,
    folder: str,
) -> list[Trigger]:
    clean, scale = batches.image_set, batches.input_scale
    found: list[InvertedTrigger | InvertedWarp] = []
    again = _labels(one for one in suspects if not isinstance(one, InvertedWarp))
    for family, uniform in (("patches", False), ("blends", True)):
        inversion = replace(settings.inversion, uniform=uniform, seed=settings.inversion.seed + number)
        thorough = replace(inversion, steps=settings.first_steps)
        if number:
            invert = functools.partial(invert_triggers, model, clean, scale, again * settings.starts, inversion)
        elif uniform:
            invert = functools.partial(invert_triggers, model, clean, scale, again * settings.starts, thorough)
        else:
            starts = BestStarts(settings.first_starts, settings.starts, inversion.steps)
            invert = functools.partial(invert_from_best_starts, model, clean, scale, again, thorough, starts)
        found += kept_found(os.path.join(folder, f"{family}.npz"), InvertedTrigger, invert)
    again = _labels(one for one in suspects if isinstance(one, InvertedWarp))
    steps = settings.warping.steps if number else settings.first_steps
    warping = replace(settings.warping, steps=steps, seed=settings.warping.seed + number)
    bend = functools.partial(invert_warps, model, clean, scale, again * settings.starts, warping)
    found += kept_found(os.path.join(folder, "warps.npz"), InvertedWarp, bend)
    survivors: list[Trigger] = [trigger for trigger in found if _survives(trigger, settings)]
    log.info(
        "unlearning: inverted again, %d of %d triggers are smaller than ordinary ones (%s)",
        len(survivors),
        len(found),
        ", ".join(f"label {trigger.label}: {trigger.described}" for trigger in found),
    )
    return survivors


def _not_found_better(triggers: Sequence[Trigger], again: Sequence[Trigger]) -> list[Trigger]:
    """Those triggers that a more thorough search did not find smaller, by label and kind; that replaces the rest."""
    smallest: dict[tuple[int, str], float] = {}
    for trigger in again:
        key = trigger.label, trigger.kind
        smallest[key] = min(trigger.size, smallest.get(key, trigger.size))
    return [trigger for trigger in triggers if trigger.size <= smallest.get((trigger.label, trigger.kind), math.inf)]


def _labels(triggers: Iterable[Trigger]) -> list[int]:
    return sorted({trigger.label for trigger in triggers})


def _survives(trigger: InvertedTrigger | InvertedWarp, settings: UnlearningSettings) -> bool:
    if isinstance(trigger, InvertedWarp):
        return trigger.success >= settings.warping.success and trigger.size < settings.most_displacement
    return trigger.success >= settings.inversion.success and trigger.size < settings.most_pixels[trigger.uniform]


def _tuned(
    model: keras.Model,
    batches: Batches,
    teacher: Answers,
    pool: Sequence[Trigger],
    settings: UnlearningSettings,
    devices: Devices,
    folder: str,
    epochs: int,
    decays: bool,
    first: int,
) -> tuple[keras.Model, tuple[Epoch, ...]]:
    logits = with_probabilities(model) is not model
    stamping = StampSome(pool, settings.stamped_share, settings.varied_share)
    lesson = Teaching(teacher, model.output_shape[-1], stamping)
    # Batches follow from seed and epoch; a round's first epoch is not the first of all.
    lessons = replace(batches, lesson=lesson, seed=batches.seed + 1000 * (first + 1))
    with devices.strategy.scope():
        tuned = copy_with_weights(model)
        freeze(tuned, TuningSettings(epochs, settings.learning_rate, None, settings.batch_norm))
        rate = settings.learning_rate
        if decays:
            rate = keras.optimizers.schedules.CosineDecay(rate, max(1, epochs * batches.steps_per_epoch))
        tuned.compile(
            keras.optimizers.Adam(rate, clipnorm=_MOST_GRADIENT),
            loss=keras.losses.CategoricalCrossentropy(from_logits=logits),
            metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        )
    return tuned, train(tuned, lessons, epochs, title="unlearning", checkpoint_dir=os.path.join(folder, "tuning"))
