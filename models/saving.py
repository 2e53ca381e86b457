"""Writing networks to files."""

import json
import warnings
from typing import Any

from goodnet.data.hdf5_writing import new_hdf5_file
from goodnet.models.legacy_keras import keras

_CONFIG = "model_config"
# What Keras 2 writes of a layer though it has no influence there.
_UNKNOWN_TO_KERAS_3 = {
    "DepthwiseConv2D": ("groups",),
    "SeparableConv2D": ("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"),
    "SpatialDropout2D": ("noise_shape", "trainable"),
}


def save_network(model: keras.Model, path: str) -> None:
    """Writes a whole model without its optimizer; the ending, .h5 or .keras, is the format.

    Keras warns that HDF5 is its old format. Here it is chosen: it is the one that Keras 2 and Keras 3 both read.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*saving your model as an HDF5 file.*")
        if path.endswith(".h5"):
            with new_hdf5_file(path) as file:
                model.save(file, include_optimizer=False)
                config = _readable_by_keras_3(json.loads(file.attrs[_CONFIG]))
                file.attrs[_CONFIG] = json.dumps(config).encode()
        else:
            # A compiled model would take its optimizer along.
            keras.Model(model.inputs, model.outputs, name=model.name).save(path)


def _readable_by_keras_3(config: Any) -> Any:
    """A configuration without what Keras 3 refuses in it."""
    if isinstance(config, list):
        return [_readable_by_keras_3(part) for part in config]
    if not isinstance(config, dict):
        return config
    unknown = _UNKNOWN_TO_KERAS_3.get(str(config.get("class_name")), ())
    if unknown:
        config = {**config, "config": {key: value for key, value in config["config"].items() if key not in unknown}}
    return {key: _readable_by_keras_3(value) for key, value in config.items()}


def save_weights(model: keras.Model, path: str) -> None:
    """Writes the weights alone, as HDF5."""
    with new_hdf5_file(path) as file:
        keras.src.saving.legacy.hdf5_format.save_weights_to_hdf5_group(file, model)
