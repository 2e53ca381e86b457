"""Fine-tuning alone: the baseline that every defense is held against."""

import os

from goodnet.data.image_set import ImageSet
from goodnet.pipeline.methods.repair_method import Repair, RepairSettings
from goodnet.pipeline.pruning.fine_tuning import fine_tune
from goodnet.pipeline.suspect import Suspect
from goodnet.pipeline.training.devices import Devices
from goodnet.pipeline.training.tuning import TuningSettings

# As in fine-pruning, so that the two differ in pruning only.
_EPOCHS = 6


def fine_tuning(
    suspect: Suspect, fit: ImageSet, settings: RepairSettings, devices: Devices, checkpoint_dir: str
) -> Repair:
    """Tunes all layers on clean images for as many epochs as pruning and tuning take together; prunes nothing."""
    batches = settings.batches(fit, suspect.network.scale)
    tuning = TuningSettings(
        settings.pruning_epochs + (_EPOCHS if settings.fine_tuning_epochs is None else settings.fine_tuning_epochs),
        settings.learning_rate,
        layers=None,
        batch_norm=settings.tune_batch_norm,
    )
    repaired, history = fine_tune(
        suspect.model,
        batches,
        tuning,
        suspect.facts.logits,
        devices,
        os.path.join(checkpoint_dir, "fine_tuning"),
    )
    return Repair(suspect.model, repaired, history={"fine-tuning": history})
