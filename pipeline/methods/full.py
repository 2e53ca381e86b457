"""The whole repair: evidence of a backdoor, pruning of what is dormant, and unlearning of what leads to the targets.

What is upstream of the pruned layers stays as it is if unlearning succeeds without it. The detector then computes it
once for both of its networks.
"""

from collections.abc import Collection
from dataclasses import replace

from goodnet.data.image_set import ImageSet
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.inputs.suspect import Suspect
from goodnet.pipeline.inversion.evidence import Evidence, EvidenceSettings, find_evidence
from goodnet.pipeline.inversion.search import SearchSettings
from goodnet.pipeline.inversion.verdict import MOST_DOUBTFUL
from goodnet.pipeline.methods.fine_pruning import layers_to_tune, prune, why_not_prunable
from goodnet.pipeline.methods.repair_method import PruningEvidence, Repair, RepairSettings
from goodnet.pipeline.run.progress import log
from goodnet.pipeline.training.batches import Batches
from goodnet.pipeline.training.loop import Epoch
from goodnet.pipeline.training.run_config import RunConfig
from goodnet.pipeline.unlearning.distillation import with_tolerated_shift
from goodnet.pipeline.unlearning.rounds import Unlearner, UnlearningSettings

# Unlearning is the cure here, so pruning need cost nothing.
_MAX_ACCURACY_LOSS = 0.0
_PRUNING_RATE = 0.2
_UNLEARNING_RATE = 0.5
# Of a small set as many passes make an epoch as have about this many steps.
_EPOCH_STEPS = 30


def full(suspect: Suspect, fit: ImageSet, settings: RepairSettings, run: RunConfig) -> Repair:
    """Looks for targets; where there are some, prunes, and unlearns in rounds what leads to them.

    A network without evidence against it is returned as it came.

    Args:
        suspect: the model; it is not changed.
        fit: clean images, the only ones this method sees.
        settings: how to prune and tune.
        run: where to train, and where inverted triggers and trainings are kept.
    """
    network, evidence = suspect.network, evidence_against(suspect, fit, run)
    targets = labels_to_unlearn(evidence, settings.without_evidence)
    if not targets:
        log.info("repair: left as it is, since nothing speaks against it")
        return Repair(suspect.model, suspect.model, evidence=evidence)
    batches = settings.batches(fit, network.scale, run.seed)
    loss = _MAX_ACCURACY_LOSS if settings.max_accuracy_loss is None else settings.max_accuracy_loss
    pruning = replace(settings, learning_rate=_PRUNING_RATE * settings.learning_rate)
    pruned = suspect.model
    pruning_evidence: PruningEvidence | None = None
    head: Collection[str] | None = None
    history: dict[str, tuple[Epoch, ...]] = {}
    if (reason := why_not_prunable(suspect, settings)) is None:
        pruned, pruning_evidence, history["pruning"] = prune(suspect, batches, pruning, loss, run)
        head = layers_to_tune(suspect, settings)
    else:
        log.warning("pruning: left out, unlearning alone: %s", reason)
    batches = _for_unlearning(batches, network)
    unlearner = Unlearner(batches, network, _unlearning(settings, batches), run.within("unlearning"))
    done = unlearner.unlearn(pruned, targets, evidence.ordinary_size, head)
    history["unlearning"] = done.history
    if not done.triggers:
        log.warning("unlearning: no trigger of label %s works after pruning, nothing was unlearned", targets)
    return Repair(pruned, done.model, pruning_evidence, done.triggers, history, evidence)


def evidence_against(suspect: Suspect, fit: ImageSet, run: RunConfig) -> Evidence:
    """What the audit finds, with a run's seed and in its folder; parameters as `full`."""
    seeking = EvidenceSettings(SearchSettings(seed=run.seed), run.seed)
    evidence = find_evidence(suspect.network, fit, seeking, run.path("evidence"))
    log.info("evidence: %s: %s", evidence.verdict.name, evidence.verdict.reason)
    return evidence


def labels_to_unlearn(evidence: Evidence, without_evidence: bool) -> tuple[int, ...]:
    """The targets, and the labels in doubt; where there are none and it is asked for, the most suspicious.

    An attacker who has planted one trigger may have planted several, so a label in doubt beside a target is more often
    another target than one in doubt alone is. An ordinary label that is unlearned with it costs some clean accuracy, a
    target that is not leaves its backdoor whole.
    """
    found = (*evidence.verdict.targets, *evidence.verdict.doubtful)
    if not found and without_evidence:
        return tuple(one.trigger.label for one in evidence.suspicions[:MOST_DOUBTFUL])
    return found


def _for_unlearning(batches: Batches, teacher: ScaledNetwork) -> Batches:
    """Images are shifted no farther than the teacher tolerates, and epochs are not all overhead."""
    return replace(
        batches,
        augmentation=with_tolerated_shift(batches.augmentation, teacher.probabilities, batches.image_set, batches.seed),
        passes=max(1, _EPOCH_STEPS // batches.steps_per_epoch),
    )


def _unlearning(settings: RepairSettings, batches: Batches) -> UnlearningSettings:
    usual = UnlearningSettings()
    epochs = settings.fine_tuning_epochs
    return replace(
        usual,
        last_steps=usual.last_steps if epochs is None else epochs * batches.steps_per_epoch,
        learning_rate=_UNLEARNING_RATE * settings.learning_rate,
        search=SearchSettings(seed=batches.seed + 1),
        batch_norm=settings.tune_batch_norm,
    )
