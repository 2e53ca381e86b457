"""The networks this project can build by name."""

from collections.abc import Callable

from goodnet.models.deepid import deepid
from goodnet.models.legacy_keras import keras
from goodnet.models.resnet import small_resnet
from goodnet.models.vgg import small_vgg

Architecture = Callable[[int, tuple[int, int, int]], keras.Model]
"""(classes, (height, width, channels)) -> an uncompiled model that ends in softmax."""

ARCHITECTURES: dict[str, Architecture] = {"deepid": deepid, "vgg": small_vgg, "resnet": small_resnet}
