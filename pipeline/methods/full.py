"""Everything: invert triggers for every label, prune what is dormant, refit and unlearn the most suspicious labels."""

import os
from collections.abc import Sequence
from dataclasses import replace

from data.image_set import ImageSet
from models.answers import Answers, answers_of
from pipeline.inversion.narrowband import NarrowbandSettings
from pipeline.inversion.rarity import fewest_labels
from pipeline.inversion.screening import ScreeningSettings, screen_labels
from pipeline.inversion.search import InversionSettings
from pipeline.inversion.shortlist import ShortlistSettings
from pipeline.inversion.suspicious import RankedTrigger
from pipeline.inversion.tournament import TournamentSettings
from pipeline.inversion.warps import InvertedWarp, WarpSettings
from pipeline.inversion.waves import WaveSettings
from pipeline.methods.fine_pruning import prune
from pipeline.methods.repair_method import Repair, RepairSettings
from pipeline.progress import log
from pipeline.suspect import Suspect
from pipeline.training.batches import Batches
from pipeline.training.devices import Devices
from pipeline.unlearning.rounds import UnlearningSettings, unlearn
from pipeline.unlearning.teaching import bearable

# Screening: enough steps for a target's trigger to stand out, at a fraction of a full inversion (250 x 32).
_SCREENING = InversionSettings(steps=60, batch_size=8, learning_rate=0.3)
# Points along the height that a patch is given at.
_GRID = 14
# The attacker may have several targets, and the smallest trigger need not be theirs.
_MOST_SUSPECTS = 3
# Of many labels, this share of them in each family, where none stands out. On a BadNet of 1,283 the target was the
# sixth of the patches.
_SUSPECTED_SHARE = 0.00625
# Of the median clean model of some 40 labels the highest index is 2.2, of one in twenty above 3.5 (by
# `index_by_chance`, if log sizes were normal). Between the two an ordinary label may be unlearned too, which costs
# clean accuracy.
_LEAST_INDEX = 3.0
# A warp that leads to a label with a smaller root mean square displacement than this share of the image's height is a
# suspect. Those planted by WaNet in two networks for GTSRB took 0.034 and 0.037; in seven networks without one the
# smallest took 0.038 (a label suspected for nothing), then 0.054 to 0.088, and for most labels none was found at all.
_MOST_DISPLACEMENT = 0.045
# Below this index a trigger that is found again, after a round, is what any class has.
_SURVIVOR_INDEX = 2.0
# Of the logarithms of ordinary patches' sizes, by a short search; and the share of the image that such a patch, and the
# mask of such a pattern, takes. All of a BadNet for traffic signs with 43 labels.
_USUAL_SPREAD, _USUAL_PATCH, _USUAL_BLEND = 0.33, 0.1, 0.25
# Unlearning is the cure here, so pruning may cost less than where it is the only one.
_MAX_ACCURACY_LOSS = 0.005
_PRUNING_RATE = 0.2
_UNLEARNING_RATE = 0.5
# Share of the images that carry a trigger while unlearning: where a suspect is beyond what chance makes of a clean
# model once in a hundred times, and where none is. A clean model is the common case; fewer stamps cost it less.
_STAMPED, _STAMPED_IN_DOUBT = 0.15, 0.1
_CHANCE = 0.01
# More win back more of the clean accuracy that unlearning costs, and leave less of the backdoor, slower and slower.
_LAST_STEPS = 1500
# Of a small set as many passes make an epoch as have about this many steps.
_EPOCH_STEPS = 30


def full(suspect: Suspect, fit: ImageSet, settings: RepairSettings, devices: Devices, checkpoint_dir: str) -> Repair:
    """Screens all labels for triggers, prunes, and unlearns in rounds the triggers of the most suspicious labels.

    Args:
        suspect: the model; it is not changed.
        fit: clean images, the only ones this method sees.
        settings: how to prune and tune.
        devices: where to train.
        checkpoint_dir: where inverted triggers and trainings are kept.
    """
    scale = suspect.scale.chosen
    grain = max(1, round(fit.image_shape[0] / _GRID))
    classes = suspect.facts.classes
    searching, keep_dir = _screening(settings.seed, grain), os.path.join(checkpoint_dir, "screening")
    screening = screen_labels(suspect.model, fit, scale, classes, searching, keep_dir)
    most_displacement = _MOST_DISPLACEMENT * fit.image_shape[0]
    most, least_index = _suspected(classes, screening.beyond_chance)
    fewest = _fewest_labels(fit.image_shape, grain)
    if classes < fewest:
        log.warning(
            "inversion: among %d labels no trigger is unusually small, for that it takes %d: each counts as a target",
            classes,
            fewest,
        )
        suspects = screening.all_suspects(most, most_displacement)
        # Of so few labels an ordinary size is not known, and a trigger that grew in a round is still one.
        height, width, _ = fit.image_shape
        most_pixels = _USUAL_PATCH * height * width, _USUAL_BLEND * height * width
    else:
        suspects = screening.suspects(most, least_index, most_displacement)
        most_pixels = screening.size_at(_SURVIVOR_INDEX, False), screening.size_at(_SURVIVOR_INDEX, True)
    for ranked in suspects:
        log.info("inversion: %s", ranked)
    in_earnest = classes < fewest or screening.beyond_chance or _has_warp(suspects)
    batches = settings.batches(fit, scale)
    loss = _MAX_ACCURACY_LOSS if settings.max_accuracy_loss is None else settings.max_accuracy_loss
    pruning = replace(settings, learning_rate=_PRUNING_RATE * settings.learning_rate)
    pruned, evidence, pruning_history = prune(suspect, batches, pruning, loss, devices, checkpoint_dir)
    teacher = answers_of(suspect.model, scale)
    repaired, unlearning_history = unlearn(
        pruned,
        _for_teaching(batches, teacher),
        teacher,
        [ranked.trigger for ranked in suspects],
        _unlearning(
            settings,
            batches,
            grain,
            most_pixels=most_pixels,
            most_displacement=most_displacement,
            stamped_share=_STAMPED if in_earnest else _STAMPED_IN_DOUBT,
        ),
        devices,
        os.path.join(checkpoint_dir, "unlearning"),
    )
    history = {"pruning": pruning_history, "unlearning": unlearning_history}
    return Repair(pruned, repaired, evidence, suspects, history)


def _suspected(classes: int, stands_out: bool) -> tuple[int, float]:
    """How many suspects of each family, at most, and their least index."""
    share = round(_SUSPECTED_SHARE * classes)
    return (share, 0.0) if share > _MOST_SUSPECTS and not stands_out else (_MOST_SUSPECTS, _LEAST_INDEX)


def _fewest_labels(image_shape: Sequence[int], grain: int) -> int:
    """Fewer labels than this say nothing of what an ordinary patch's size is."""
    height, width, _ = image_shape
    # No patch is smaller than a point of the grid that it is given on.
    return fewest_labels(_CHANCE, _USUAL_SPREAD, _USUAL_PATCH * height * width / grain**2)


def _screening(seed: int, grain: int) -> ScreeningSettings:
    return ScreeningSettings(
        inversion=replace(_SCREENING, seed=seed, grain=grain),
        warps=WarpSettings(seed=seed),
        waves=WaveSettings(seed=seed),
        narrowband=NarrowbandSettings(),
        tournament=TournamentSettings(seed=seed),
        shortlist=ShortlistSettings(seed=seed),
        chance=_CHANCE,
    )


def _for_teaching(batches: Batches, teacher: Answers) -> Batches:
    """Shifted no farther than the teacher bears, in epochs that are not all overhead."""
    return replace(
        batches,
        augmentation=bearable(batches.augmentation, teacher, batches.image_set, batches.seed),
        passes=max(1, _EPOCH_STEPS // batches.steps_per_epoch),
    )


def _unlearning(
    settings: RepairSettings,
    batches: Batches,
    grain: int,
    most_pixels: tuple[float, float],
    most_displacement: float,
    stamped_share: float,
) -> UnlearningSettings:
    epochs = settings.fine_tuning_epochs
    return UnlearningSettings(
        rounds=5,
        steps=60,
        last_steps=_LAST_STEPS if epochs is None else epochs * batches.steps_per_epoch,
        learning_rate=_UNLEARNING_RATE * settings.learning_rate,
        stamped_share=stamped_share,
        varied_share=0.7,
        starts=2,
        first_starts=8,
        most_pixels=most_pixels,
        most_displacement=most_displacement,
        inversion=InversionSettings(
            steps=60, batch_size=16, learning_rate=0.3, grain=grain, labels_at_once=32, seed=settings.seed + 1
        ),
        warping=WarpSettings(seed=settings.seed + 1),
        first_steps=150,
        batch_norm=settings.tune_batch_norm,
    )


def _has_warp(suspects: Sequence[RankedTrigger]) -> bool:
    return any(isinstance(ranked.trigger, InvertedWarp) for ranked in suspects)
