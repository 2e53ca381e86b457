"""Small networks for tests, one for each way in which channels can be connected, with random weights and logits out.

All take images of 12 x 12 x 3.
"""

from collections.abc import Callable

import numpy as np

from goodnet.models.legacy_keras import keras, tf

IMAGE_SHAPE = (12, 12, 3)
CLASSES = 5
L = keras.layers


def chain() -> keras.Model:
    """Activation inside the convolutions, valid padding, flattened; a Sequential model."""
    return keras.Sequential(
        [
            L.Input(IMAGE_SHAPE),
            L.Conv2D(6, 3, activation="relu", name="conv_1"),
            L.MaxPooling2D(name="pool"),
            L.Conv2D(8, 3, activation="relu", name="conv_2"),
            L.Flatten(name="flat"),
            L.Dense(10, activation="relu", name="hidden"),
            L.Dense(CLASSES, name="logits"),
        ]
    )


def separate_activation() -> keras.Model:
    """Activation as a layer of its own, one of them a TensorFlow operation; same padding."""
    image = keras.Input(IMAGE_SHAPE)
    features = L.Conv2D(6, 3, padding="same", name="conv_1")(image)
    features = tf.nn.relu(features)
    features = L.Conv2D(8, 3, padding="same", strides=2, name="conv_2")(features)
    features = L.LeakyReLU(name="leaky")(features)
    return keras.Model(image, _classifier(features))


def batch_norm_chain() -> keras.Model:
    """Convolution, batch norm, ReLU, as in VGG; dropout on the way."""
    image = keras.Input(IMAGE_SHAPE)
    features = _conv_bn_relu(image, 6, "conv_1")
    features = L.MaxPooling2D(padding="same")(features)
    features = L.Dropout(0.3)(features)
    features = _conv_bn_relu(features, 8, "conv_2")
    return keras.Model(image, L.Dense(CLASSES, name="logits")(L.Flatten()(L.AveragePooling2D()(features))))


def norm_after_activation(padding: str = "valid", use_bias: bool = True) -> keras.Model:
    """Batch norm after the activation: a closed channel is a constant other than zero where it is read."""
    image = keras.Input(IMAGE_SHAPE)
    features = L.Conv2D(6, 3, activation="relu", name="conv_1")(image)
    features = L.BatchNormalization(name="norm_1")(features)
    features = L.Conv2D(8, 3, padding=padding, use_bias=use_bias, activation="relu", name="conv_2")(features)
    features = L.BatchNormalization(name="norm_2")(features)
    features = L.MaxPooling2D()(features)
    return keras.Model(image, L.Dense(CLASSES, use_bias=use_bias, name="logits")(L.Flatten()(features)))


def deepid_shaped() -> keras.Model:
    """conv_3 is read by a dense layer and by conv_4, whose dense layers are added."""
    image = keras.Input(IMAGE_SHAPE, name="input")
    features = L.Conv2D(6, 3, activation="relu", name="conv_2")(image)
    features = L.Conv2D(10, 3, activation="relu", name="conv_3")(features)
    features = L.MaxPooling2D(name="pool_3")(features)
    fc_1 = L.Dense(7, name="fc_1")(L.Flatten()(features))
    conv_4 = L.Conv2D(8, 2, activation="relu", name="conv_4")(features)
    fc_2 = L.Dense(7, name="fc_2")(L.Flatten()(conv_4))
    merged = L.Activation("relu")(L.Add()([fc_1, fc_2]))
    return keras.Model(image, L.Dense(CLASSES, name="logits")(merged))


def residual() -> keras.Model:
    """A ResNet: skip connections tie stem and first_b, and, one of them projected, last_proj, last_b and next_b."""
    image = keras.Input(IMAGE_SHAPE)
    stem = _conv_bn_relu(image, 6, "stem")
    first = _block(stem, 6, "first")
    last = _block(first, 8, "last", project=True)
    return keras.Model(image, _classifier(_block(last, 8, "next")))


def preactivation_residual() -> keras.Model:
    """Batch norm and ReLU before each convolution; the sum is added to with `+`."""
    image = keras.Input(IMAGE_SHAPE)
    trunk = L.Conv2D(8, 3, padding="same", name="stem")(image)
    for block in ("first", "second"):
        inner = L.ReLU()(L.BatchNormalization(name=f"{block}_norm_a")(trunk))
        inner = L.Conv2D(6, 3, padding="same", name=f"{block}_a")(inner)
        inner = L.ReLU()(L.BatchNormalization(name=f"{block}_norm_b")(inner))
        trunk = trunk + L.Conv2D(8, 3, padding="same", name=f"{block}_b")(inner)
    return keras.Model(image, _classifier(L.ReLU()(L.BatchNormalization(name="norm")(trunk))))


def inception() -> keras.Model:
    """Branches that are concatenated, and concatenated with their input again."""
    image = keras.Input(IMAGE_SHAPE)
    stem = _conv_bn_relu(image, 6, "stem")
    left = L.Conv2D(4, 1, activation="relu", name="left")(stem)
    right = L.Conv2D(5, 3, padding="same", activation="relu", name="right")(stem)
    joined = L.Concatenate(name="joined")([left, right, stem])
    joined = L.BatchNormalization(name="joined_norm")(joined)
    last = L.Conv2D(7, 3, activation="relu", name="last")(joined)
    cropped = L.Cropping2D(1)(joined)
    return keras.Model(image, _classifier(L.Concatenate(axis=-1)([last, cropped])))


def mobile() -> keras.Model:
    """An inverted bottleneck of MobileNetV2, and a depthwise convolution that doubles the channels."""
    image = keras.Input(IMAGE_SHAPE)
    stem = _conv_bn_relu(image, 6, "stem")
    wide = L.ReLU(6.0)(L.BatchNormalization(name="expand_bn")(L.Conv2D(12, 1, use_bias=False, name="expand")(stem)))
    wide = L.ZeroPadding2D(1)(wide)
    wide = L.DepthwiseConv2D(3, use_bias=False, name="depthwise")(wide)
    wide = L.ReLU(6.0)(L.BatchNormalization(name="depthwise_bn")(wide))
    narrow = L.BatchNormalization(name="project_bn")(L.Conv2D(6, 1, use_bias=False, name="project")(wide))
    joined = L.Add()([stem, narrow])
    double = L.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="relu", name="double")(joined)
    return keras.Model(image, _classifier(L.Conv2D(8, 1, activation="relu", name="top")(double)))


def separable() -> keras.Model:
    """Separable convolutions, one of them with two depthwise kernels a channel, one after a batch norm."""
    image = keras.Input(IMAGE_SHAPE)
    features = L.SeparableConv2D(6, 3, padding="same", activation="relu", name="sep_1")(image)
    features = L.SeparableConv2D(8, 3, depth_multiplier=2, activation="relu", name="sep_2")(features)
    features = L.BatchNormalization(name="norm")(features)
    features = L.SeparableConv2D(8, 3, depth_multiplier=2, use_bias=False, name="sep_3")(features)
    return keras.Model(image, _classifier(L.PReLU(name="prelu")(features)))


def squeeze_excite() -> keras.Model:
    """Channels scaled by a gate computed from themselves, in a residual block."""
    image = keras.Input(IMAGE_SHAPE)
    stem = _conv_bn_relu(image, 8, "stem")
    features = _conv_bn_relu(stem, 8, "body")
    squeezed = L.Reshape((1, 1, 8))(L.GlobalAveragePooling2D()(features))
    squeezed = L.Conv2D(4, 1, activation="relu", name="squeeze")(squeezed)
    scale = L.Conv2D(8, 1, activation="sigmoid", name="excite")(squeezed)
    return keras.Model(image, _classifier(L.Add()([stem, L.Multiply()([features, scale])])))


EXAMPLES: dict[str, Callable[[], keras.Model]] = {
    net.__name__: net
    for net in (
        chain,
        separate_activation,
        batch_norm_chain,
        norm_after_activation,
        deepid_shaped,
        residual,
        preactivation_residual,
        inception,
        mobile,
        separable,
        squeeze_excite,
    )
}


def randomised(model: keras.Model, seed: int = 0) -> keras.Model:
    """The model itself, each weight drawn anew, batch norm statistics and shifts too; outputs stay of order 1."""
    rng = np.random.default_rng(seed)

    def drawn(weight: tf.Variable) -> np.ndarray:
        noise = rng.normal(size=weight.shape)
        if "variance" in weight.name or "gamma" in weight.name:
            return rng.uniform(0.5, 1.5, weight.shape)
        return noise / np.sqrt(max(np.prod(weight.shape[:-1]) / 2, 1)) if len(weight.shape) > 1 else noise * 0.3

    model.set_weights([drawn(weight).astype(np.float32) for weight in model.weights])
    return model


def example_images(count: int = 6, seed: int = 0) -> np.ndarray:
    """Random images for the networks here: float32 [count, 12, 12, 3], normal."""
    return np.random.default_rng(seed).normal(size=(count, *IMAGE_SHAPE)).astype(np.float32)


def _conv_bn_relu(features: tf.Tensor, filters: int, name: str) -> tf.Tensor:
    convolved = L.Conv2D(filters, 3, padding="same", use_bias=False, name=name)(features)
    return L.ReLU(name=f"{name}_relu")(L.BatchNormalization(name=f"{name}_bn")(convolved))


def _block(features: tf.Tensor, filters: int, name: str, project: bool = False) -> tf.Tensor:
    inner = _conv_bn_relu(features, 4, f"{name}_a")
    inner = L.BatchNormalization(name=f"{name}_b_bn")(L.Conv2D(filters, 3, padding="same", name=f"{name}_b")(inner))
    if project:
        features = L.BatchNormalization(name=f"{name}_proj_bn")(L.Conv2D(filters, 1, name=f"{name}_proj")(features))
    return L.Activation("relu", name=f"{name}_relu")(L.Add(name=f"{name}_add")([features, inner]))


def _classifier(features: tf.Tensor) -> tf.Tensor:
    return L.Dense(CLASSES, name="logits")(L.GlobalAveragePooling2D(name="pooled")(features))
