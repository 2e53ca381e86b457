"""The networks this project can build by name."""

from collections.abc import Callable

from goodnet.models.legacy_keras import keras
from goodnet.models.networks.deepid import deepid
from goodnet.models.networks.names import NAMES
from goodnet.models.networks.resnet import small_resnet
from goodnet.models.networks.vgg import small_vgg

Architecture = Callable[[int, tuple[int, int, int]], keras.Model]
"""(classes, (height, width, channels)) -> an uncompiled model that ends in softmax."""

ARCHITECTURES: dict[str, Architecture] = dict(zip(NAMES, (deepid, small_vgg, small_resnet), strict=True))
