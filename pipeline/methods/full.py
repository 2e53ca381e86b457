"""Everything: invert triggers, prune what is dormant, then unlearn the inverted triggers."""

import os
from dataclasses import replace

from data.image_set import ImageSet
from pipeline.inversion.patches import InversionSettings, invert_patches
from pipeline.inversion.suspicious import RankedTrigger, rank_triggers
from pipeline.methods.fine_pruning import prune
from pipeline.methods.repair_method import Repair, RepairSettings
from pipeline.progress import log
from pipeline.pruning.fine_tuning import fine_tune
from pipeline.suspect import Suspect
from pipeline.training.batches import Batches
from pipeline.training.devices import Devices
from pipeline.training.tuning import TuningSettings
from pipeline.unlearning.stamping import StampSome

# Of the batch in unlearning, as in Neural Cleanse (section 6.2).
_STAMPED_SHARE = 0.2
# The smallest triggers are unlearned together: the attacker may have several, and the smallest need not be theirs.
_UNLEARNED = 3


def full(suspect: Suspect, fit: ImageSet, settings: RepairSettings, devices: Devices, checkpoint_dir: str) -> Repair:
    """Inverts a trigger for every label, prunes, and tunes on images that carry the most suspicious triggers.

    The stamped images keep their true labels, so that the network forgets what the triggers mean (Neural Cleanse, Wang
    et al., IEEE S&P 2019, section 6.2).
    """
    inversion = InversionSettings(seed=settings.seed)
    labels = range(suspect.facts.classes)
    triggers = rank_triggers(
        invert_patches(suspect.model, fit, suspect.scale.chosen, labels, inversion), inversion.success
    )
    for ranked in triggers[:_UNLEARNED]:
        log.info("inversion: %s", _described(ranked))
    batches = Batches(fit, suspect.scale.chosen, settings.batch_size, settings.seed, settings.max_shift)
    pruned, evidence, pruning_history = prune(suspect, batches, settings, devices, checkpoint_dir)
    stamping = StampSome([ranked.trigger for ranked in triggers[:_UNLEARNED]], _STAMPED_SHARE)
    repaired, unlearning_history = fine_tune(
        pruned,
        replace(batches, change=stamping),
        TuningSettings(settings.fine_tuning_epochs, settings.learning_rate, None, settings.tune_batch_norm),
        suspect.facts.logits,
        devices,
        os.path.join(checkpoint_dir, "unlearning"),
    )
    return Repair(pruned, repaired, evidence, {"pruning": pruning_history, "unlearning": unlearning_history})


def _described(ranked: RankedTrigger) -> str:
    trigger = ranked.trigger
    return (
        f"label {trigger.label}: a trigger of {trigger.size:.1f} pixels, success {100 * trigger.success:.0f} %, "
        f"anomaly index {ranked.anomaly_index:.1f}"
    )
