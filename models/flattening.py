"""One flat functional graph in place of models nested in models."""

import json

import numpy as np

from goodnet.models.legacy_keras import keras
from goodnet.models.loading.building import build_model
from goodnet.models.loading.config_reading import read_config
from goodnet.models.loading.model_spec import LeafPath


def flattened(model: keras.Model) -> keras.Model:
    """Dissolves nested models, so that every layer is one of the outermost model.

    Args:
        model: a functional or sequential model of built-in layers.

    Returns:
        A functional model with copies of the weights and the same outputs. Layers keep their names where these are
        free, and get the nested model's name in front where not. The model itself if it is already flat and functional.

    Raises:
        InputError: a layer isn't on the allow-list of `layer_rules`.
    """
    nested = any(isinstance(layer, keras.Model) for layer in model.layers)
    if not nested and not isinstance(model, keras.Sequential):
        return model
    return build_model(read_config(json.loads(model.to_json())), _weights(model, ()))


def _weights(model: keras.Model, above: LeafPath) -> dict[LeafPath, list[np.ndarray]]:
    found: dict[LeafPath, list[np.ndarray]] = {}
    for layer in model.layers:
        path = (*above, layer.name)
        if isinstance(layer, keras.Model):
            found.update(_weights(layer, path))
        elif layer.weights:
            found[path] = [variable.numpy() for variable in layer._trainable_weights + layer._non_trainable_weights]
    return found
