"""The one place where TensorFlow, Keras 2 and tfmot are imported.

tfmot accepts Keras 2 objects only, and TensorFlow decides which Keras it carries when it is first imported. Every
module that needs one of them writes `from models.legacy_keras import keras, tf, tfmot`, so that no import order can
undo the choice.
"""

import os
import resource
import sys

# Under less address space TensorFlow neither starts nor ends.
_LEAST_ADDRESS_SPACE = 3 * 2**30
if 0 <= resource.getrlimit(resource.RLIMIT_AS)[0] < _LEAST_ADDRESS_SPACE:
    sys.exit("ulimit -v: too little address space for TensorFlow; expected at least 3145728 (3 GiB), or unlimited")
# Keras walks over a network by recursion, a call a layer: a chain of a thousand layers is deeper than Python's default.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 20_000))

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras

# TensorFlow warns of retracing and of saved files that were never compiled: nothing that a user could mend.
tf.get_logger().setLevel("ERROR")

__all__ = ["keras", "tf", "tfmot"]
