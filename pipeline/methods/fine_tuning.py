"""Fine-tuning alone: the baseline that every defense is held against."""

from goodnet.data.image_set import ImageSet
from goodnet.pipeline.inputs.suspect import Suspect
from goodnet.pipeline.methods.repair_method import Repair, RepairSettings
from goodnet.pipeline.pruning.fine_tuning import fine_tune
from goodnet.pipeline.training.run_config import RunConfig
from goodnet.pipeline.training.tuning import TuningSettings

# As in fine-pruning, so that the two differ in pruning only.
_EPOCHS = 6


def fine_tuning(suspect: Suspect, fit: ImageSet, settings: RepairSettings, run: RunConfig) -> Repair:
    """Tunes all layers on clean images for as many epochs as pruning and tuning take together; prunes nothing."""
    batches = settings.batches(fit, suspect.network.scale, run.seed)
    tuning = TuningSettings(
        settings.pruning_epochs + (_EPOCHS if settings.fine_tuning_epochs is None else settings.fine_tuning_epochs),
        settings.learning_rate,
        layers=None,
        batch_norm=settings.tune_batch_norm,
    )
    logits = suspect.facts.logits
    repaired, history = fine_tune(suspect.model, batches, tuning, logits, run.within("fine_tuning"))
    return Repair(suspect.model, repaired, history={"fine-tuning": history})
