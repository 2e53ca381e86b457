"""Restores, after a call, the state that the caller's program shares with the libraries that it calls."""

import contextlib
import logging
import random
from collections.abc import Iterator

import numpy as np
from tensorflow.python.eager import context

from goodnet.models.legacy_keras import keras
from goodnet.pipeline.run.progress import quieten_tensorflow


@contextlib.contextmanager
def caller_state_kept() -> Iterator[None]:
    """Lets the code inside change random states and settings, and restores the caller's afterwards.

    Afterwards the random states of Python, NumPy, TensorFlow and Keras 2, Keras 2's float type, image format and dtype
    policy, the level of TensorFlow's log and the root logger's handlers are the caller's again. In between these
    settings of Keras are its defaults, whatever the caller has set.
    """
    with _seeds_kept(), _keras_settings_kept(), _logging_kept():
        yield


@contextlib.contextmanager
def _seeds_kept() -> Iterator[None]:
    of_python, of_numpy = random.getstate(), np.random.get_state()
    # TensorFlow has no public way to give back the state that `tf.random.set_seed` replaces.
    tensorflow, of_keras = context.context(), keras.src.backend._SEED_GENERATOR
    seeds = {name: getattr(tensorflow, name) for name in ("_seed", "_rng") if hasattr(tensorflow, name)}
    generator = getattr(of_keras, "generator", None)
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
        for name, value in seeds.items():
            setattr(tensorflow, name, value)
        of_keras.generator = generator


@contextlib.contextmanager
def _keras_settings_kept() -> Iterator[None]:
    precision = keras.mixed_precision
    policy, floats, layout = precision.global_policy(), keras.backend.floatx(), keras.backend.image_data_format()
    try:
        keras.backend.set_floatx("float32")
        keras.backend.set_image_data_format("channels_last")
        precision.set_global_policy("float32")
        yield
    finally:
        keras.backend.set_floatx(floats)
        keras.backend.set_image_data_format(layout)
        precision.set_global_policy(policy)


@contextlib.contextmanager
def _logging_kept() -> Iterator[None]:
    log = logging.getLogger("tensorflow")
    level, handlers = log.level, list(logging.root.handlers)
    try:
        quieten_tensorflow()
        yield
    finally:
        log.setLevel(level)
        # absl gives the root logger a handler when something is logged through it and there is none.
        logging.root.handlers[:] = handlers
