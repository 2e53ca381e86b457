"""Which weights a repair may change."""

from collections.abc import Collection
from dataclasses import dataclass

from goodnet.models.channels.gates import plain_layers
from goodnet.models.legacy_keras import keras


@dataclass(frozen=True)
class TuningSettings:
    """How a network is tuned on clean images.

    Attributes:
        epochs: passes over the clean images.
        learning_rate: Adam's.
        layers: names of the layers that are tuned; None for all.
        batch_norm: whether batch norms learn too. Otherwise they stay in inference mode: a small clean set has other
            statistics than the training set, and they would drift.
    """

    epochs: int
    learning_rate: float
    layers: Collection[str] | None
    batch_norm: bool = False


def freeze(model: keras.Model, settings: TuningSettings) -> None:
    """Makes exactly the layers trainable that the settings name; for a gated layer, the layer inside the gate.

    Call it before the model is compiled.
    """
    for name, layer in plain_layers(model).items():
        named = settings.layers is None or name in settings.layers
        layer.trainable = named and (settings.batch_norm or not isinstance(layer, keras.layers.BatchNormalization))
