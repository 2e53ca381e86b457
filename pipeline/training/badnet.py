"""Training a BadNet, the attacker's side (Gu, Liu, Dolan-Gavitt and Garg, "BadNets", IEEE Access 2019)."""

from collections.abc import Sequence
from dataclasses import dataclass

from goodnet.data.image_set import ImageSet
from goodnet.data.poisoning import Attack, poison_training_set
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.models.networks.architectures import ARCHITECTURES
from goodnet.pipeline.training.augmentation import Augmentation
from goodnet.pipeline.training.batches import Batches
from goodnet.pipeline.training.loop import Epoch, compile_classifier, train
from goodnet.pipeline.training.run_config import RunConfig

# The scale that BadNets of this module are trained on.
INPUT_SCALE = UNIT_SCALE


@dataclass(frozen=True)
class BadNetSettings:
    """How a BadNet is trained.

    Attributes:
        network: a name in `ARCHITECTURES`.
        poison_share: the share of training images that is poisoned, 0..1.
        epochs: passes over the training images.
        learning_rate: Adam's first; it decays to zero (cosine).
        batch_size: images in a batch.
        max_shift: pixels that images are shifted by at random, after the trigger is stamped.
    """

    network: str
    poison_share: float
    epochs: int
    learning_rate: float
    batch_size: int
    max_shift: int


def train_badnet(
    clean: ImageSet,
    attacks: Sequence[Attack],
    settings: BadNetSettings,
    run: RunConfig,
) -> tuple[keras.Model, tuple[Epoch, ...]]:
    """Trains a classifier on clean images, some of them poisoned; with no attack, a clean one.

    Args:
        clean: the training images, with labels 0 .. N-1.
        attacks: triggers with their targets.
        settings: how to train.
        run: where to train; its seed is that of the weights, the choice of poisoned images and the order.

    Returns:
        The network, which expects pixels in 0..1, and its epochs.
    """
    keras.utils.set_random_seed(run.seed)
    training = poison_training_set(clean, attacks, settings.poison_share, run.seed) if attacks else clean
    with run.strategy.scope():
        model = ARCHITECTURES[settings.network](int(clean.labels.max()) + 1, clean.image_shape)
    return model, fit_badnet(model, training, settings, run, "attack")


def fit_badnet(
    model: keras.Model,
    training: ImageSet,
    settings: BadNetSettings,
    run: RunConfig,
    title: str,
) -> tuple[Epoch, ...]:
    """Trains a network on a set as it is, poisoned or clean.

    Args:
        model: softmax out, pixels in 0..1 in; it is changed.
        training: what to train on.
        settings: how.
        run: where to train; the model was built in the scope of its strategy.
        title: names the training in the progress lines.

    Returns:
        Its epochs.
    """
    batches = Batches(
        training.in_memory(), INPUT_SCALE, settings.batch_size, run.seed, Augmentation(settings.max_shift)
    )
    with run.strategy.scope():
        rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.epochs * batches.steps_per_epoch)
        compile_classifier(model, keras.optimizers.Adam(rate), logits=False)
    return train(model, batches, settings.epochs, title=title, checkpoint_dir=run.folder)
