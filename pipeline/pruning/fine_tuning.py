"""Tuning a network on clean images, after its channels are gone."""

from goodnet.models.legacy_keras import keras
from goodnet.models.model_copy import copy_with_weights, of_this_process
from goodnet.pipeline.training.batches import Batches
from goodnet.pipeline.training.loop import Epoch, compile_classifier, train
from goodnet.pipeline.training.run_config import RunConfig
from goodnet.pipeline.training.tuning import TuningSettings, freeze


def fine_tune(
    model: keras.Model,
    batches: Batches,
    settings: TuningSettings,
    logits: bool,
    run: RunConfig,
) -> tuple[keras.Model, tuple[Epoch, ...]]:
    """Tunes a copy of a network on clean images; the learning rate decays to zero (cosine).

    Args:
        model: the pruned network; it is not changed.
        batches: clean images.
        settings: epochs, learning rate, what is tuned.
        logits: whether the model's outputs are logits.
        run: where to train.

    Returns:
        The tuned network and its epochs.
    """
    steps = max(1, settings.epochs * batches.steps_per_epoch)
    with run.strategy.scope():
        tuned = copy_with_weights(model)
        freeze(tuned, settings)
        rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
        compile_classifier(tuned, keras.optimizers.Adam(rate), logits)
    history = train(tuned, batches, settings.epochs, title="fine-tuning", checkpoint_dir=run.folder)
    return of_this_process(tuned), history
