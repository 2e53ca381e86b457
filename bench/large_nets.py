"""Networks larger than the project's own, trained a little: the answers of random weights say nothing of int8."""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.datasets import GTSRB, PHOTOGRAPHS
from bench.locks import held
from goodnet.data.fitting import ResizableSource
from goodnet.data.image_set import ImageSet
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras, tf
from goodnet.models.saving import save_network
from goodnet.pipeline.run.output_files import make_folder, write_whole
from goodnet.pipeline.training.batches import Batches
from goodnet.pipeline.training.loop import compile_classifier, train

_BATCH_SIZE = 32
_VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


@dataclass(frozen=True)
class LargeNet:
    """A network and how it is trained.

    Attributes:
        dataset: a name that `bench.datasets` knows.
        build: (side of the images, classes) -> an uncompiled model on the unit scale.
        side: of the images that it is trained on.
        epochs: as many passes over the training images.
        rate: Adam's, decayed to 0.
    """

    dataset: str
    build: Callable[[int, int], keras.Model]
    side: int
    epochs: int
    rate: float


def trained(net: LargeNet, images: ImageSet, side: int, cache_dir: str) -> keras.Model:
    """The network on images of a side, with weights trained on images of its own side, made once and kept.

    Args:
        net: which.
        images: to train on, of any size.
        side: of the images that the result takes; other than the net's own only of one that pools globally.
        cache_dir: where weights are kept.
    """
    classes = int(images.labels.max()) + 1
    keras.utils.set_random_seed(0)
    model = net.build(net.side, classes)
    recipe = (model.to_json(), net.side, net.epochs, net.rate, _BATCH_SIZE, len(images))
    folder = os.path.join(cache_dir, "networks")
    path = os.path.join(folder, f"{model.name}-{hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]}.h5")
    make_folder(folder, "cache_dir")
    with held(path + ".lock"):
        if os.path.exists(path):
            model.load_weights(path)
        else:
            batches = Batches(resized(images, net.side).in_memory(), UNIT_SCALE, _BATCH_SIZE, 0)
            rate = keras.optimizers.schedules.CosineDecay(net.rate, net.epochs * batches.steps_per_epoch)
            compile_classifier(model, keras.optimizers.Adam(rate, clipnorm=1.0), logits=False)
            train(model, batches, net.epochs, title=model.name)
            write_whole(path, functools.partial(save_network, model))
    if side == net.side:
        return model
    other = net.build(side, classes)
    other.set_weights(model.get_weights())
    return other


def resized(images: ImageSet, side: int) -> ImageSet:
    """The images scaled (bilinearly) to `side` x `side`."""
    if images.image_shape[:2] == (side, side):
        return images
    return dataclasses.replace(images, source=ResizableSource(images.source, (side, side)))


def _vgg16(side: int, classes: int) -> keras.Model:
    """VGG16, half as wide."""
    image = features = keras.Input((side, side, 3))
    for filters, count in _VGG16:
        for _ in range(count):
            features = _convolution(features, filters // 2, 3)
        features = keras.layers.MaxPooling2D()(features)
    return keras.Model(image, _dense_head(features, classes), name="vgg16_half")


def _alexnet(side: int, classes: int) -> keras.Model:
    """After AlexNet, half as wide, for small images."""
    pool = functools.partial(keras.layers.MaxPooling2D, 3, 2)
    image = keras.Input((side, side, 3))
    features = pool()(_convolution(pool()(_convolution(image, 48, 5)), 128, 5))
    features = pool()(_convolution(_convolution(features, 192, 3), 128, 3))
    return keras.Model(image, _dense_head(features, classes), name="alexnet_half")


def _convolution(features: tf.Tensor, filters: int, size: int) -> tf.Tensor:
    return keras.layers.Conv2D(filters, size, padding="same", activation="relu", kernel_initializer="he_normal")(
        features
    )


def _dense_head(features: tf.Tensor, classes: int) -> tf.Tensor:
    features = keras.layers.Flatten()(features)
    for _ in range(2):
        features = keras.layers.Dense(1024, "relu", kernel_initializer="he_normal")(features)
        features = keras.layers.Dropout(0.3)(features)
    return keras.layers.Dense(classes, "softmax")(features)


def _mobilenet_v2(side: int, classes: int) -> keras.Model:
    """MobileNetV2 (alpha 0.35) with a new head, as in transfer learning."""
    image = keras.Input((side, side, 3))
    scaled = keras.layers.Rescaling(2.0, -1.0)(image)
    base = keras.applications.MobileNetV2(include_top=False, weights=None, input_tensor=scaled, alpha=0.35)
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9  # 0.999 of a few hundred steps is what it began with
    pooled = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling2D()(base.output))
    return keras.Model(image, keras.layers.Dense(classes, "softmax")(pooled), name="mobilenet_v2")


LARGE_NETS: Mapping[str, LargeNet] = {
    "VGG16": LargeNet(GTSRB, _vgg16, 32, 2, 5e-4),
    "AlexNet": LargeNet(PHOTOGRAPHS, _alexnet, 32, 1, 7e-4),
    "MobileNetV2": LargeNet(GTSRB, _mobilenet_v2, 48, 2, 4e-3),
}
