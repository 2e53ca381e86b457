"""Opening a model file that nobody vouches for: the model is the suspect, so opening it runs nothing of its own.

Another process reads, checks, builds and tries the network, within limits (`models.loading.opener`,
`models.loading.model_reading`). What comes back is a description and arrays; they go through the same checks once more,
and only a network that was already built and run within the limits is built here.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from typing import BinaryIO

from absl import logging

from goodnet.data.errors import InputError
from goodnet.data.reading_process import temporary_file
from goodnet.models.legacy_keras import keras
from goodnet.models.loading.building import build_model
from goodnet.models.loading.config_reading import read_config
from goodnet.models.loading.model_reading import EXPECTED
from goodnet.models.loading.model_spec import reason
from goodnet.models.loading.network_cost import MOST_MULTIPLY_ADDS, limits_for
from goodnet.models.loading.opener import read_elsewhere
from goodnet.models.loading.plain_copy import array_at, read_copy
from goodnet.models.loading.weights_only import ImageShape


def open_model(
    path: str,
    architecture: str | None = None,
    image_shape: ImageShape | None = None,
    flat: bool = True,
    most_multiply_adds: int = MOST_MULTIPLY_ADDS,
    name: str | None = None,
) -> keras.Model:
    """Opens a whole model saved by Keras 2 or Keras 3 (HDF5 or `.keras`), or HDF5 weights of a known architecture.

    Args:
        path: the file. Its kind is told by its content, not by its name.
        architecture: a name in `ARCHITECTURES` for weights without a configuration; None recognises DeepID.
        image_shape: (height, width, channels) of the images, for weights that don't tell it and for models of any size;
            nothing else looks at it.
        flat: True to dissolve nested models into one functional graph, False to keep them.
        most_multiply_adds: what the network may cost for one image; twice that where nested models are kept, as in a
            detector, which holds a suspect and its repair.
        name: what messages call the file; None for its path.

    Returns:
        An uncompiled functional Keras 2 model in float32, all layers trainable, without initialisers, regularisers,
        constraints and augmentation of the file's own. The same outputs as the file's model at inference, but for the
        form that `models.loading.classifier_form` gives them, which the log then says. It treats each image alone,
        gives finite floating-point numbers on images of zeros and of noise, and has a gradient.

    Raises:
        InputError: one line that names the file, what is wrong with it and what was expected.
    """
    limits = limits_for(most_multiply_adds, networks=1 if flat else 2)
    try:
        with _opened(path) as file, temporary_file(size := os.fstat(file.fileno()).st_size) as target:
            request = {
                "architecture": architecture,
                "image_shape": image_shape,
                "flat": flat,
                "limits": dataclasses.astuple(limits),
                "size": size,
            }
            read_elsewhere(file, target, request)
            index, values = read_copy(target)
            if architecture is None and index["architecture"] is not None:
                logging.info("%s: weights without a configuration, recognised as %s", path, index["architecture"])
            for note in index["notes"]:
                logging.info("%s: %s", name or path, note)
            weights = {
                tuple(layer): [array_at(values, array["shape"], array["offset"]) for array in arrays]
                for layer, arrays in index["weights"]
            }
            return build_model(read_config(index["config"]), weights, flat, limits)
    except InputError as error:
        raise InputError(f"{name or path}: {error}") from error
    except Exception as error:
        raise InputError(f"{name or path}: {reason(error)}; expected a network that can be built") from error


def _opened(path: str) -> BinaryIO:
    """The file, if it is a regular one; a pipe or a device could make whoever reads it wait for ever."""
    try:
        if stat.S_ISREG(os.stat(path).st_mode):
            # It may have been exchanged since.
            file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY), "rb")
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file
            file.close()
    except (OSError, ValueError) as error:
        raise InputError(f"{getattr(error, 'strerror', None) or 'not a path'}; {EXPECTED}") from error
    if os.path.isdir(path):
        saved_model = os.path.exists(os.path.join(path, "saved_model.pb"))
        kind = "a SavedModel, whose graph can hold any operation" if saved_model else "a folder"
        raise InputError(f"{kind}; {EXPECTED}")
    raise InputError(f"no regular file; {EXPECTED}")
