"""The one place where TensorFlow, Keras 2 and tfmot are imported.

tfmot accepts Keras 2 objects only, and TensorFlow decides which Keras it carries when it is first imported. Every
module that needs one of them writes `from goodnet.models.legacy_keras import keras, tf, tfmot`, so that no import order
can undo the choice.
"""

import functools
import os
import sys

import goodnet.models.interpreter_limits  # noqa: F401

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
import tf_keras as keras

# tfmot looks for a part of Keras 2 in Keras 3, where it is not: a fifth of all time to import.
_KERAS_3 = "keras"
_is_there = _KERAS_3 in sys.modules
if not _is_there:
    sys.modules[_KERAS_3] = None  # type: ignore[assignment]  # Whoever imports it now gets an ImportError.
try:
    import tensorflow_model_optimization as tfmot
finally:
    if not _is_there:
        del sys.modules[_KERAS_3]

# `tf.function` for functions that do not branch in Python on a tensor, as none here does: AutoGraph would rewrite the
# source of everything that they call first.
traced = functools.partial(tf.function, autograph=False)

__all__ = ["keras", "tf", "tfmot", "traced"]
