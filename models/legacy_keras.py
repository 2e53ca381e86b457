"""The one place where TensorFlow, Keras 2 and tfmot are imported.

tfmot accepts Keras 2 objects only, and TensorFlow decides which Keras it carries when it is first imported. Every
module that needs one of them writes `from goodnet.models.legacy_keras import keras, tf, tfmot`, so that no import order
can undo the choice.
"""

import os

import goodnet.models.interpreter_limits  # noqa: F401

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras

__all__ = ["keras", "tf", "tfmot"]
