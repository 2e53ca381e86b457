"""DeepID, the face classifier of CSAW-HackML-2020."""

from goodnet.data.errors import InputError
from goodnet.models.legacy_keras import keras

FACE_SHAPE = (55, 47, 3)


def deepid(classes: int, image_shape: tuple[int, int, int] = FACE_SHAPE) -> keras.Model:
    """Builds DeepID with the layer names of the CSAW weight files.

    Two branches read the image: `fc_1` sees the third convolution directly, `fc_2` through the fourth one. Their sum
    is the face's identity vector.

    Paper: Sun, Wang, Tang, "Deep Learning Face Representation from Predicting 10,000 Classes" (CVPR 2014).

    Args:
        classes: number of identities, N >= 2.
        image_shape: (height, width, channels); the CSAW nets read 55 x 47 x 3.

    Returns:
        An uncompiled model, float32 [B, H, W, C] -> float32 [B, N], softmax probabilities. 601,643 parameters for 1,283
        classes of 55 x 47 x 3 images.

    Raises:
        InputError: the image is too small for four convolutions.
    """
    height, width, _ = image_shape
    if min(conv_4_extent(height), conv_4_extent(width)) < 1:
        raise InputError(
            f"--architecture=deepid: an image of {height} x {width} is too small; expected at least 31 x 31"
        )
    layers = keras.layers
    image = layers.Input(image_shape, name="input")
    pooled = image
    for block, (filters, kernel) in enumerate(((20, 4), (40, 3), (60, 3)), start=1):
        pooled = layers.Conv2D(filters, kernel, activation="relu", name=f"conv_{block}")(pooled)
        pooled = layers.MaxPooling2D(2, name=f"pool_{block}")(pooled)
    shallow = layers.Dense(160, name="fc_1")(layers.Flatten(name="flatten_1")(pooled))
    deep = layers.Conv2D(80, 2, activation="relu", name="conv_4")(pooled)
    deep = layers.Dense(160, name="fc_2")(layers.Flatten(name="flatten_2")(deep))
    identity = layers.Activation("relu", name="activation_1")(layers.Add(name="add_1")([shallow, deep]))
    return keras.Model(image, layers.Dense(classes, activation="softmax", name="output")(identity), name="deepid")


def pool_3_extent(extent: int) -> int:
    """Height or width of `pool_3`'s output for an image `extent` pixels high or wide."""
    return (((extent - 3) // 2 - 2) // 2 - 2) // 2


def conv_4_extent(extent: int) -> int:
    """Height or width of `conv_4`'s output for an image `extent` pixels high or wide."""
    return pool_3_extent(extent) - 1
