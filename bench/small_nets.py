"""The project's architectures, thin: a training takes seconds on one core."""

from collections.abc import Callable

from models.legacy_keras import keras, tf

_FEATURES = 64
# Of the moving averages: with the usual 0.99 they have not arrived after a few hundred steps.
_MOMENTUM = 0.9


def thin_deepid(classes: int, image_shape: tuple[int, int, int]) -> keras.Model:
    """DeepID's two branches with a third of its channels and no batch norm."""
    layers = keras.layers
    image = layers.Input(image_shape)
    pooled = image
    for filters, kernel in ((8, 4), (16, 3), (24, 3)):
        pooled = layers.Conv2D(filters, kernel, activation="relu")(pooled)
        pooled = layers.MaxPooling2D(2)(pooled)
    shallow = layers.Dense(_FEATURES)(layers.Flatten()(pooled))
    deep = layers.Dense(_FEATURES)(layers.Flatten()(layers.Conv2D(32, 2, activation="relu")(pooled)))
    features = layers.Activation("relu")(layers.Add()([shallow, deep]))
    return keras.Model(image, layers.Dense(classes, activation="softmax")(features))


def thin_vgg(classes: int, image_shape: tuple[int, int, int]) -> keras.Model:
    """A chain of convolution, batch norm and ReLU with a dense head."""
    layers = keras.layers
    image = layers.Input(image_shape)
    features = image
    for filters in (8, 16, 32):
        features = _conv_bn(features, filters)
        features = layers.MaxPooling2D(2)(layers.Activation("relu")(features))
    features = layers.Dense(_FEATURES, activation="relu")(layers.Flatten()(features))
    return keras.Model(image, layers.Dense(classes, activation="softmax")(features))


def thin_resnet(classes: int, image_shape: tuple[int, int, int]) -> keras.Model:
    """A stem, two residual blocks and global pooling."""
    layers = keras.layers
    image = layers.Input(image_shape)
    features = layers.MaxPooling2D(2)(layers.Activation("relu")(_conv_bn(image, 12)))
    for filters, strides in ((12, 1), (24, 2)):
        inner = layers.Activation("relu")(_conv_bn(features, filters, strides))
        skip = features if strides == 1 else _conv_bn(features, filters, strides, kernel=1)
        features = layers.Activation("relu")(layers.Add()([skip, _conv_bn(inner, filters)]))
    pooled = layers.GlobalAveragePooling2D()(features)
    return keras.Model(image, layers.Dense(classes, activation="softmax")(pooled))


SMALL_NETS: dict[str, Callable[[int, tuple[int, int, int]], keras.Model]] = {
    "deepid": thin_deepid,
    "vgg": thin_vgg,
    "resnet": thin_resnet,
}


def _conv_bn(features: tf.Tensor, filters: int, strides: int = 1, kernel: int = 3) -> tf.Tensor:
    convolved = keras.layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False)(features)
    return keras.layers.BatchNormalization(momentum=_MOMENTUM)(convolved)
