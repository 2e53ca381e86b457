"""Writing networks to files."""

import warnings

from models.legacy_keras import keras


def save_network(model: keras.Model, path: str) -> None:
    """Writes a whole model without its optimizer; the ending, .h5 or .keras, is the format.

    Keras warns that HDF5 is its old format. Here it is chosen: it is the one that Keras 2 and Keras 3 both read.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*saving your model as an HDF5 file.*")
        if path.endswith(".h5"):
            model.save(path, include_optimizer=False)
        else:
            # A compiled model would take its optimizer along.
            keras.Model(model.inputs, model.outputs, name=model.name).save(path)
