"""Writing networks to files."""

import warnings

from goodnet.data.hdf5_writing import new_hdf5_file
from goodnet.models.legacy_keras import keras


def save_network(model: keras.Model, path: str) -> None:
    """Writes a whole model without its optimizer; the ending, .h5 or .keras, is the format.

    Keras warns that HDF5 is its old format. Here it is chosen: it is the one that Keras 2 and Keras 3 both read.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*saving your model as an HDF5 file.*")
        if path.endswith(".h5"):
            with new_hdf5_file(path) as file:
                model.save(file, include_optimizer=False)
        else:
            # A compiled model would take its optimizer along.
            keras.Model(model.inputs, model.outputs, name=model.name).save(path)


def save_weights(model: keras.Model, path: str) -> None:
    """Writes the weights alone, as HDF5."""
    with new_hdf5_file(path) as file:
        keras.src.saving.legacy.hdf5_format.save_weights_to_hdf5_group(file, model)
