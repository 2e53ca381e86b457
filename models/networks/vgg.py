"""A small VGG with batch norm, for signs and other small photographs."""

from goodnet.models.legacy_keras import keras

_BLOCKS = (24, 48, 96, 128)
_HIDDEN_UNITS = 128


def small_vgg(classes: int, image_shape: tuple[int, int, int]) -> keras.Model:
    """Builds a chain of convolution, batch norm and ReLU blocks with a dense head, small enough to train on two cores.

    Paper: Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (ICLR 2015); batch
    norm by Ioffe, Szegedy (ICML 2015).

    Args:
        classes: number of classes, N >= 2.
        image_shape: (height, width, channels), at least 8 x 8.

    Returns:
        An uncompiled model, float32 [B, H, W, C] -> float32 [B, N], softmax probabilities. 0.43 M parameters for 43
        classes of 32 x 32 x 3 images, 0.67 M for 55 x 47 x 3 with as many classes.
    """
    layers = keras.layers
    image = layers.Input(image_shape, name="input")
    features = image
    for block, filters in enumerate(_BLOCKS, start=1):
        features = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv_{block}")(features)
        features = layers.BatchNormalization(name=f"bn_{block}")(features)
        features = layers.Activation("relu", name=f"relu_{block}")(features)
        if block < len(_BLOCKS):
            features = layers.MaxPooling2D(2, name=f"pool_{block}")(features)
    hidden = layers.Dense(_HIDDEN_UNITS, activation="relu", name="fc_1")(layers.Flatten(name="flatten")(features))
    hidden = layers.Dropout(0.3, name="dropout_1")(hidden)
    return keras.Model(image, layers.Dense(classes, activation="softmax", name="output")(hidden), name="small_vgg")
