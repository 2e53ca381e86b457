"""A small ResNet: skip connections with and without a projection."""

from goodnet.models.legacy_keras import keras, tf

_STAGES = (24, 48, 96)


def small_resnet(classes: int, image_shape: tuple[int, int, int]) -> keras.Model:
    """Builds a stem and three stages of two residual blocks each, ended by global average pooling.

    The first block of the second and third stage halves the image and projects its skip connection; all other skip
    connections are identities, so the channels of the convolutions they join are tied.

    Paper: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (CVPR 2016).

    Args:
        classes: number of classes, N >= 2.
        image_shape: (height, width, channels), at least 8 x 8.

    Returns:
        An uncompiled model, float32 [B, H, W, C] -> float32 [B, N], softmax probabilities; 0.4 M parameters for 43
        classes.
    """
    layers = keras.layers
    image = layers.Input(image_shape, name="input")
    features = _conv_bn(image, _STAGES[0], 3, 1, "stem")
    features = layers.Activation("relu", name="stem_relu")(features)
    features = layers.MaxPooling2D(2, name="stem_pool")(features)
    for stage, filters in enumerate(_STAGES, start=1):
        features = _residual_block(features, filters, 1 if stage == 1 else 2, f"stage_{stage}_block_1")
        features = _residual_block(features, filters, 1, f"stage_{stage}_block_2")
    pooled = layers.GlobalAveragePooling2D(name="global_pool")(features)
    return keras.Model(image, layers.Dense(classes, activation="softmax", name="output")(pooled), name="small_resnet")


def _conv_bn(features: tf.Tensor, filters: int, kernel: int, strides: int, name: str) -> tf.Tensor:
    convolved = keras.layers.Conv2D(
        filters, kernel, strides=strides, padding="same", use_bias=False, name=f"{name}_conv"
    )(features)
    return keras.layers.BatchNormalization(name=f"{name}_bn")(convolved)


def _residual_block(features: tf.Tensor, filters: int, strides: int, name: str) -> tf.Tensor:
    layers = keras.layers
    inner = _conv_bn(features, filters, 3, strides, f"{name}_a")
    inner = layers.Activation("relu", name=f"{name}_a_relu")(inner)
    inner = _conv_bn(inner, filters, 3, 1, f"{name}_b")
    identity = strides == 1 and features.shape[-1] == filters
    skip = features if identity else _conv_bn(features, filters, 1, strides, f"{name}_skip")
    return layers.Activation("relu", name=f"{name}_relu")(layers.Add(name=f"{name}_add")([skip, inner]))
