"""The zoo's networks: four families, each in two widths."""

from collections.abc import Mapping

from bench.zoo.draw import DEEPID, MOBILENET, RESNET, VGG
from goodnet.models.legacy_keras import keras, tf
from goodnet.models.networks.architectures import ARCHITECTURES, Architecture

# Channels and units against those of the builders.
_WIDTHS: Mapping[str, tuple[float, float]] = {
    DEEPID: (1.0, 1.5),
    VGG: (0.75, 1.25),
    RESNET: (0.67, 1.0),
    MOBILENET: (1.0, 1.5),
}
_STEM = 24
# Channels and stride of each block.
_BLOCKS = ((48, 1), (96, 2), (96, 1), (144, 2), (144, 1))
_SIZES = {"Conv2D": "filters", "Dense": "units"}
_MULTIPLE = 4


def build_network(network: str, wide: bool, classes: int, image_shape: tuple[int, int, int]) -> keras.Model:
    """Builds a network.

    Args:
        network: "deepid", "vgg", "resnet" or "mobilenet".
        wide: the wider of its two widths.
        classes: number of classes, N >= 2.
        image_shape: (height, width, channels), at least 31 x 31.

    Returns:
        An uncompiled model, float32 [B, H, W, C] -> float32 [B, N], softmax probabilities.
    """
    builder: Architecture = mobilenet if network == MOBILENET else ARCHITECTURES[network]
    return _scaled(builder(classes, image_shape), _WIDTHS[network][wide])


def _scaled(model: keras.Model, factor: float) -> keras.Model:
    """The same graph with so many times the channels and units everywhere but at the output."""
    config = model.get_config()
    for layer in config["layers"]:
        size = _SIZES.get(layer["class_name"])
        if size is not None and layer["name"] != "output":
            layer["config"][size] = max(_MULTIPLE, _MULTIPLE * round(factor * layer["config"][size] / _MULTIPLE))
    return keras.Model.from_config(config)


def mobilenet(classes: int, image_shape: tuple[int, int, int]) -> keras.Model:
    """Builds a stem and five depthwise separable blocks, ended by global average pooling.

    Paper: Howard et al., "MobileNets" (arXiv 1704.04861).

    Args:
        classes: number of classes, N >= 2.
        image_shape: (height, width, channels), at least 8 x 8.

    Returns:
        An uncompiled model, float32 [B, H, W, C] -> float32 [B, N], softmax probabilities.
    """
    layers = keras.layers
    image = layers.Input(image_shape, name="input")
    stem = layers.Conv2D(_STEM, 3, padding="same", use_bias=False, name="stem_conv")(image)
    features = layers.MaxPooling2D(2, name="stem_pool")(_bn_relu(stem, "stem"))
    for number, (filters, strides) in enumerate(_BLOCKS, start=1):
        name = f"block_{number}"
        features = layers.DepthwiseConv2D(
            3, strides=strides, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
        )(features)
        features = _bn_relu(features, f"{name}_depthwise")
        features = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_conv")(features)
        features = _bn_relu(features, name)
    pooled = layers.GlobalAveragePooling2D(name="global_pool")(features)
    return keras.Model(image, layers.Dense(classes, activation="softmax", name="output")(pooled), name="mobilenet")


def _bn_relu(features: tf.Tensor, name: str) -> tf.Tensor:
    normed = keras.layers.BatchNormalization(name=f"{name}_bn")(features)
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(normed)
