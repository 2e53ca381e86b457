"""The one training loop: seeded epochs with a checkpoint after each."""

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from goodnet.data.errors import InputError
from goodnet.models.legacy_keras import keras, tf
from goodnet.pipeline.run.progress import log
from goodnet.pipeline.training.batches import Batches

# A training of a hundred short epochs says as much of itself as one of twenty.
_PROGRESS_LINES = 20


@dataclass(frozen=True)
class Epoch:
    """The result of one epoch: mean loss and accuracy over its own (augmented) batches, and its duration."""

    loss: float
    accuracy: float
    seconds: float

    def __str__(self) -> str:
        return f"loss {self.loss:.4f}, accuracy {100 * self.accuracy:.2f} %, {self.seconds:.1f} s"


def train(
    model: keras.Model,
    batches: Batches,
    epochs: int,
    *,
    title: str,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint_dir: str | None = None,
    state: Mapping[str, tf.Variable] | None = None,
) -> tuple[Epoch, ...]:
    """Trains a compiled model, an epoch at a time.

    The order of the images depends on the seed and the epoch's number only, so that a run that was interrupted and goes
    on from its checkpoint sees the batches it would have seen.

    Args:
        model: compiled with an accuracy metric, under the strategy of the run.
        batches: the training images.
        epochs: how many in all, those before an interruption included.
        title: names the training in the progress lines.
        callbacks: Keras callbacks, tfmot's among them.
        checkpoint_dir: where the state is kept after each epoch; none is kept without it. A training that finds
            its checkpoint there goes on from it; one that finds itself finished does nothing.
        state: variables of the callbacks that are kept in the checkpoint too, by name.

    Returns:
        The epochs, in order.

    Raises:
        InputError: the loss became NaN or infinite, or a checkpoint cannot be written.
    """
    with model.distribute_strategy.scope():
        # TensorFlow traces a function twice whose first call creates variables.
        model.optimizer.build(model.trainable_variables)
    done = tf.Variable(0, dtype=tf.int64, trainable=False)
    figures = tf.Variable(tf.zeros([epochs, len(dataclasses.fields(Epoch))]), trainable=False)
    manager = None
    if checkpoint_dir is not None:
        checkpoint = tf.train.Checkpoint(
            model=model, optimizer=model.optimizer, done=done, figures=figures, **(state or {})
        )
        manager = tf.train.CheckpointManager(checkpoint, checkpoint_dir, max_to_keep=1)
        if manager.latest_checkpoint:
            checkpoint.restore(manager.latest_checkpoint)
            log.info("%s: goes on after epoch %d of %d", title, int(done), epochs)
    for number in range(int(done), epochs):
        _seed_dropout(model, batches.seed, number)
        epoch = _train_epoch(model, batches, number, title, callbacks)
        figures[number].assign(dataclasses.astuple(epoch))
        done.assign(number + 1)
        if manager is not None:
            _save(manager)
        # Whoever sees this line and interrupts the run finds the epoch kept.
        if number + 1 == epochs or (number + 1) % max(1, epochs // _PROGRESS_LINES) == 0:
            log.info("%s: epoch %d/%d, %s", title, number + 1, epochs, epoch)
    return tuple(Epoch(*map(float, row)) for row in figures.numpy())


def _seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    """Makes the layers' randomness depend on the epoch's number, not on how many epochs this process has trained.

    TensorFlow fixes the seeds when it traces the training step, so a network with such layers is traced anew.
    """
    if any(hasattr(layer, "_random_generator") for layer in model.submodules):
        keras.utils.set_random_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
        model.train_function = None


def _save(manager: tf.train.CheckpointManager) -> None:
    try:
        manager.save()
    except tf.errors.OpError as error:
        reason = str(error.message).splitlines()[0].rpartition("; ")[2].partition(" [Op:")[0]
        raise InputError(
            f"{manager.directory}: the checkpoint cannot be written ({reason}); expected a writable folder with room"
        ) from error


def _train_epoch(
    model: keras.Model,
    batches: Batches,
    number: int,
    title: str,
    callbacks: Sequence[keras.callbacks.Callback],
) -> Epoch:
    started = time.monotonic()
    result = model.fit(
        batches.epoch(number), initial_epoch=number, epochs=number + 1, callbacks=list(callbacks), verbose=0
    ).history
    epoch = Epoch(result["loss"][0], result["accuracy"][0], time.monotonic() - started)
    if not math.isfinite(epoch.loss):
        raise InputError(f"{title}: the loss became {epoch.loss} in epoch {number + 1}; try a smaller learning rate")
    return epoch


def compile_classifier(model: keras.Model, optimizer: keras.optimizers.Optimizer, logits: bool) -> None:
    """Compiles with cross-entropy on integer labels; call it under the strategy's scope."""
    model.compile(
        optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=logits),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
