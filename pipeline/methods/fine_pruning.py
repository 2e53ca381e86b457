"""Fine-Pruning (Liu, Dolan-Gavitt and Garg, RAID 2018): prune what is dormant on clean data, then fine-tune."""

from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet
from goodnet.models.channels.gates import default_gated_convolutions, gate_groups, rank_channels
from goodnet.models.channels.removal import reduce_model
from goodnet.models.legacy_keras import keras
from goodnet.pipeline.inputs.suspect import Suspect
from goodnet.pipeline.methods.repair_method import PruningEvidence, Repair, RepairSettings
from goodnet.pipeline.pruning.curve import pruning_curve
from goodnet.pipeline.pruning.fine_tuning import fine_tune
from goodnet.pipeline.pruning.profile import profile_activations
from goodnet.pipeline.pruning.schedule import prune_on_schedule
from goodnet.pipeline.pruning.tail import tuned_layers
from goodnet.pipeline.run.progress import log
from goodnet.pipeline.training.batches import Batches
from goodnet.pipeline.training.loop import Epoch
from goodnet.pipeline.training.run_config import RunConfig
from goodnet.pipeline.training.tuning import TuningSettings

# Fine-Pruning's authors stop pruning where the accuracy has fallen by four points.
_MAX_ACCURACY_LOSS = 0.04
_EPOCHS = 6


def fine_pruning(suspect: Suspect, fit: ImageSet, settings: RepairSettings, run: RunConfig) -> Repair:
    """Profiles, prunes by tfmot on schedule while tuning, removes the channels, and fine-tunes.

    Args:
        suspect: the model; it is not changed.
        fit: clean images, the only ones this method sees.
        settings: how much to prune, how to tune.
        run: where to train.
    """
    batches = settings.batches(fit, suspect.network.scale, run.seed)
    loss = _MAX_ACCURACY_LOSS if settings.max_accuracy_loss is None else settings.max_accuracy_loss
    pruned, evidence, pruning_history = prune(suspect, batches, settings, loss, run)
    epochs = _EPOCHS if settings.fine_tuning_epochs is None else settings.fine_tuning_epochs
    repaired, tuning_history = fine_tune(
        pruned,
        batches,
        _tuning(suspect, settings, epochs),
        suspect.facts.logits,
        run.within("fine_tuning"),
    )
    return Repair(pruned, repaired, evidence, history={"pruning": pruning_history, "fine-tuning": tuning_history})


def prune(
    suspect: Suspect,
    batches: Batches,
    settings: RepairSettings,
    max_accuracy_loss: float,
    run: RunConfig,
) -> tuple[keras.Model, PruningEvidence, tuple[Epoch, ...]]:
    """Profiles the suspect, decides how much to prune, prunes on schedule and removes the closed channels.

    Args:
        suspect: the model; it is not changed.
        batches: clean images.
        settings: which layers, and how to tune while their gates close.
        max_accuracy_loss: the clean accuracy that closing channels may cost before tuning, 0..1.
        run: where to train.

    Returns:
        The smaller network, what was learned, and the epochs of tuning.
    """
    groups = _groups(suspect, settings)
    profile = profile_activations(suspect.network, groups, batches.image_set)
    ranks = {name: rank_channels(activation) for name, activation in profile.mean_activation.items()}
    curve = pruning_curve(suspect.network, groups, ranks, batches.image_set, max_accuracy_loss)
    log.info(
        "pruning: %.0f %% of the channels of %s, clean accuracy %.2f -> %.2f %% before tuning (floor %.2f %%)",
        100 * curve.share,
        ", ".join(group.name for group in groups),
        100 * curve.points[0].accuracy.value,
        100 * curve.points[curve.chosen].accuracy.value,
        100 * curve.floor,
    )
    if curve.share == 0:
        return suspect.model, PruningEvidence(profile, curve, {}, (), None), ()
    scheduled = prune_on_schedule(
        suspect.model,
        groups,
        ranks,
        curve.share,
        batches,
        _tuning(suspect, settings, settings.pruning_epochs),
        suspect.facts.logits,
        run.within("pruning"),
    )
    removal = reduce_model(scheduled.model, scheduled.closed)
    log.info(
        "pruning: %d -> %d parameters; the same outputs to %.1g",
        removal.report.parameters_before,
        removal.report.parameters_after,
        removal.report.largest_difference,
    )
    evidence = PruningEvidence(profile, curve, scheduled.closed, scheduled.trace, removal.report)
    return removal.model, evidence, scheduled.history


def why_not_prunable(suspect: Suspect, settings: RepairSettings) -> str | None:
    """Why no channel of a network can be pruned; None where some can.

    Raises:
        InputError: layers were named to be pruned, and they cannot be.
    """
    try:
        _groups(suspect, settings)
    except InputError as error:
        if settings.pruned_layers:
            raise
        return str(error)
    return None


def _groups(suspect: Suspect, settings: RepairSettings) -> tuple:
    graph = suspect.network.layer_graph
    return gate_groups(graph, settings.pruned_layers or default_gated_convolutions(graph))


def layers_to_tune(suspect: Suspect, settings: RepairSettings) -> frozenset[str] | None:
    """Names of the pruned layers and of everything downstream of them; None for all layers, where that is asked for.

    Raises:
        InputError: the network has no layer that can be pruned.
    """
    return None if settings.tune_all_layers else tuned_layers(suspect.network.layer_graph, _groups(suspect, settings))


def _tuning(suspect: Suspect, settings: RepairSettings, epochs: int) -> TuningSettings:
    return TuningSettings(epochs, settings.learning_rate, layers_to_tune(suspect, settings), settings.tune_batch_norm)
