"""Keras models in memory, of Keras 2 and of Keras 3, on their way in and out."""

import os
import sys
from typing import Any

import numpy as np

from goodnet.data.errors import InputError
from goodnet.models.legacy_keras import keras
from goodnet.models.loading.model_spec import reason
from goodnet.models.saving import save_network
from goodnet.pipeline.run.progress import log

_EXPECTED = "expected the path of a model file, or a functional or Sequential model of Keras 2 or Keras 3"
# Two versions of Keras call the same kernels of TensorFlow, or another library's, in single precision.
_ROUNDING = 1e-4


def is_keras_3(model: object) -> bool:
    """Whether an object is a model of Keras 3."""
    keras_3 = sys.modules.get("keras")
    return keras_3 is not None and keras_3.__version__.startswith("3.") and isinstance(model, keras_3.Model)


def write_model(model: object, folder: str, name: str) -> str:
    """Writes a model to a file, to be opened as any suspect's file is.

    Whoever built the model has run it, so that opening it safely protects nobody from it. But it keeps one way in: the
    same layers are supported, the same costs are bounded and the same network comes out as of its file.

    Args:
        model: a model of Keras 2 or Keras 3; it is not changed. Its optimizer, losses and metrics stay behind.
        folder: where to write.
        name: of the argument, for messages.

    Returns:
        The file's path.

    Raises:
        InputError: it is no such model, or Keras can't write it.
    """
    of_keras_3 = is_keras_3(model)
    if not of_keras_3 and not isinstance(model, keras.Model):
        raise InputError(f"{name}: of type {type(model).__qualname__}; {_EXPECTED}")
    path = os.path.join(folder, "model.keras" if of_keras_3 else "model.h5")
    try:
        if of_keras_3:
            keras_3 = sys.modules["keras"]
            # A compiled model would take its optimizer along.
            keras_3.Model(model.inputs, model.outputs, name=model.name).save(path)  # type: ignore[attr-defined]
        else:
            save_network(model, path)
    except Exception as error:  # Keras raises whatever it makes of a model that it can't write.
        raise InputError(f"{name}: Keras can't write it to a file ({reason(error)}); {_EXPECTED}") from error
    return path


def in_keras_3(path: str, model: keras.Model) -> Any:
    """A network as a model of Keras 3; where that has no such layers, the Keras 2 model itself, with a warning.

    Args:
        path: an HDF5 file that this program wrote.
        model: the same network in Keras 2.

    Raises:
        InputError: the two do not compute the same.
    """
    keras_3 = sys.modules["keras"]
    try:
        loaded = keras_3.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises whatever it makes of a layer that it does not know.
        log.warning("model: it comes back in Keras 2 (tf_keras), since Keras 3 can't hold it: %s", reason(error))
        return model
    images = np.random.default_rng(0).random((8, *model.input_shape[1:])).astype(np.float32)
    expected = model.predict_on_batch(images)
    difference = np.abs(loaded.predict_on_batch(images) - expected).max()
    if not difference <= _ROUNDING * max(1.0, np.abs(expected).max()):
        raise InputError(f"model: Keras 3 answers otherwise than Keras 2, by {difference:.3g}; expected the same")
    return loaded
