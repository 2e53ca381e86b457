"""Pruning by tfmot: gates close on a polynomial schedule while the network is tuned.

tfmot's `PolynomialDecay` (Zhu and Gupta, "To prune, or not to prune", 2017) says how many channels are closed at each
step, and the rank of their clean activation says which (Fine-Pruning).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from goodnet.models.channels.gates import (
    GateGroup,
    add_gates,
    closed_channels,
    expected_closed,
    gate_sparsity,
    strip_gates,
)
from goodnet.models.legacy_keras import keras, tf, tfmot
from goodnet.models.model_copy import of_this_process
from goodnet.pipeline.run.progress import log
from goodnet.pipeline.training.batches import Batches
from goodnet.pipeline.training.loop import Epoch, compile_classifier, train
from goodnet.pipeline.training.run_config import RunConfig
from goodnet.pipeline.training.tuning import TuningSettings, freeze

# Accuracy recovers while the gates stay as they are: the schedule leaves it the second half of the steps.
_RAMP = 0.5


@dataclass(frozen=True)
class SparsityStep:
    """The gates after one optimizer step.

    Attributes:
        step: its number, from 1.
        asked: the sparsity that the schedule asks of every gate.
        reached: the share of closed channels, by gate site.
    """

    step: int
    asked: float
    reached: Mapping[str, float]


@dataclass(frozen=True)
class ScheduledPruning:
    """What pruning on schedule leaves.

    Attributes:
        model: the tuned network, wrappers stripped, every channel still there.
        closed: bool [C] by gate site: the channels whose gate is closed.
        trace: every step of the schedule.
        history: every epoch of the tuning.
    """

    model: keras.Model
    closed: Mapping[str, np.ndarray]
    trace: tuple[SparsityStep, ...]
    history: tuple[Epoch, ...]


def polynomial_schedule(share: float, steps: int) -> "tfmot.sparsity.keras.PolynomialDecay":
    """The schedule for a tuning of so many steps.

    By default tfmot updates the masks every 100 steps, which a short tuning never reaches. Here it does so at each.

    Args:
        share: the sparsity to end with, 0..1.
        steps: optimizer steps in all, at least 2.
    """
    return tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=share,
        begin_step=0,
        end_step=max(1, int(steps * _RAMP)),
        frequency=1,
    )


def prune_on_schedule(
    model: keras.Model,
    groups: Sequence[GateGroup],
    ranks: Mapping[str, np.ndarray],
    share: float,
    batches: Batches,
    settings: TuningSettings,
    logits: bool,
    run: RunConfig,
) -> ScheduledPruning:
    """Closes the least active channels on schedule while the network is tuned on clean images.

    Args:
        model: the suspect; it is not changed.
        groups: its gate groups.
        ranks: float32 [C] by group; the lowest close first.
        share: the share of channels to close in every group, 0..1.
        batches: clean images.
        settings: epochs, learning rate, what is tuned.
        logits: whether the model's outputs are logits.
        run: where to train.

    Returns:
        The pruned network and what the schedule did.

    Raises:
        RuntimeError: the gates did not end where the schedule asked them to.
    """
    steps = settings.epochs * batches.steps_per_epoch
    schedule = polynomial_schedule(share, steps)
    with run.strategy.scope():
        gated = add_gates(model, groups, ranks, schedule)
        freeze(gated, settings)
        compile_classifier(gated, keras.optimizers.Adam(settings.learning_rate), logits)
    trace = _Trace(schedule, steps, sorted(gate_sparsity(gated)))
    history = train(
        gated,
        batches,
        settings.epochs,
        title="pruning",
        callbacks=[tfmot.sparsity.keras.UpdatePruningStep(), trace],
        checkpoint_dir=run.folder,
        state={"trace": trace.reached},
    )
    _check_reached(gate_sparsity(gated), groups, share)
    return ScheduledPruning(of_this_process(strip_gates(gated)), closed_channels(gated), trace.steps(), history)


class _Trace(keras.callbacks.Callback):
    """Records after each optimizer step what the gates do, to be held against what the schedule asked.

    Attributes:
        reached: float32 [steps, gate sites], kept in the checkpoint.
    """

    def __init__(self, schedule: "tfmot.sparsity.keras.PruningSchedule", steps: int, sites: Sequence[str]):
        super().__init__()
        self.reached = tf.Variable(tf.zeros([steps, len(sites)]), trainable=False)
        self._schedule = schedule
        self._sites = sites

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        sparsity = gate_sparsity(self.model)
        step = int(self.model.optimizer.iterations.numpy())
        self.reached[step - 1].assign([sparsity[site] for site in self._sites])

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        step = int(self.model.optimizer.iterations.numpy())
        log.info(
            "pruning: step %d of %d, sparsity asked %.3f, reached %s",
            step,
            self.reached.shape[0],
            float(self._schedule(tf.constant(step, tf.int64))[1]),
            ", ".join(f"{site} {share:.3f}" for site, share in gate_sparsity(self.model).items()),
        )

    def steps(self) -> tuple[SparsityStep, ...]:
        rows = self.reached.numpy()
        asked = self._schedule(tf.range(1, len(rows) + 1, dtype=tf.int64))[1].numpy()
        return tuple(
            SparsityStep(index + 1, float(asked[index]), dict(zip(self._sites, map(float, row), strict=True)))
            for index, row in enumerate(rows)
        )


def _check_reached(reached: Mapping[str, float], groups: Sequence[GateGroup], share: float) -> None:
    for group in groups:
        asked = expected_closed(group.channels, share)
        for site in group.sites:
            closed = round(reached[site] * group.channels)
            if closed != asked:
                raise RuntimeError(f"gate {site}: {closed} of {group.channels} channels closed, {asked} were asked for")
