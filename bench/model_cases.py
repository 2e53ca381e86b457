"""Networks as people save them, at a small size and with random weights, for both versions of Keras.

A builder takes the module, `keras` (3) or `tf_keras` (2), so that both write the same network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from goodnet.models.legacy_keras import tf, tfmot

Keras = Any
Build = Callable[[Keras], Any]


@dataclass(frozen=True)
class ModelCase:
    """One network.

    Attributes:
        group: what kind of network it is.
        build: makes it, given the module.
        versions: the versions of Keras that have what it is made of.
    """

    group: str
    build: Build
    versions: tuple[int, ...] = (2, 3)

    @property
    def large(self) -> bool:
        """Whether it takes long to save and to open."""
        return self.group in ("keras.applications", "transfer learning")


def _application(name: str, size: int = 32, **settings: Any) -> ModelCase:
    return ModelCase(
        "keras.applications",
        lambda k: getattr(k.applications, name)(weights=None, input_shape=(size, size, 3), classes=5, **settings),
        (2,) if name.startswith(("RegNet", "ResNetRS")) else (2, 3),
    )


def transfer_case(
    name: str, size: int = 32, module: str | None = None, units: int = 5, activation: Any = "softmax", **settings: Any
) -> ModelCase:
    """As Keras' guide to transfer learning has it: augmentation, preprocessing, a frozen base, a new head.

    Args:
        name: the base's, of `keras.applications`.
        size: of the images, pixels.
        module: of `keras.applications`, whose preprocessing is part of the network; None for -1..1.
        units: of the head.
        activation: of the head.
        settings: of the base.
    """

    def build(k: Keras) -> Any:
        layers = k.layers
        base = getattr(k.applications, name)(weights=None, input_shape=(size, size, 3), include_top=False, **settings)
        base.trainable = False
        image = k.Input((size, size, 3))
        x = k.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])(image)
        x = getattr(k.applications, module).preprocess_input(x) if module else layers.Rescaling(1 / 127.5, -1)(x)
        x = layers.GlobalAveragePooling2D()(base(x, training=False))
        return k.Model(image, layers.Dense(units, activation=activation)(layers.Dropout(0.2)(x)))

    return ModelCase("transfer learning", build)


def _in_sequential(name: str, size: int = 32, **settings: Any) -> ModelCase:
    return ModelCase(
        "transfer learning",
        lambda k: k.Sequential(
            [
                k.Input((size, size, 3)),
                getattr(k.applications, name)(
                    weights=None, input_shape=(size, size, 3), include_top=False, pooling="avg", **settings
                ),
                k.layers.Dense(16, activation="relu"),
                k.layers.Dense(5, activation="softmax"),
            ]
        ),
    )


def _chain(
    k: Keras, layers: list[Any], shape: tuple[int | None, ...] = (32, 32, 3), head: str | None = "softmax", n: int = 5
) -> Any:
    return k.Sequential([k.Input(shape), *layers, k.layers.Dense(n, activation=head)])


def _convolutions(k: Keras, activation: Any = "relu", **settings: Any) -> list[Any]:
    return [
        k.layers.Conv2D(8, 3, activation=activation, **settings),
        k.layers.MaxPooling2D(**settings),
        k.layers.Conv2D(12, 3, activation=activation, **settings),
        k.layers.Flatten(),
    ]


def _mnist_convnet(k: Keras) -> Any:
    return _chain(
        k, [*_convolutions(k)[:3], k.layers.MaxPooling2D(), k.layers.Flatten(), k.layers.Dropout(0.5)], (28, 28, 1)
    )


def _flowers(k: Keras) -> Any:
    layers = k.layers
    return _chain(
        k,
        [
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.1),
            layers.RandomZoom(0.1),
            layers.Rescaling(1.0 / 255),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
        ],
        head=None,
    )


def _mini_xception(k: Keras) -> Any:
    """Keras' example "Image classification from scratch" (cats and dogs), smaller."""
    layers = k.layers
    image = k.Input((48, 48, 3))
    x = layers.Rescaling(1.0 / 255)(image)
    x = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(8, 3, strides=2, padding="same")(x)))
    before = x
    for size in (12, 16):
        x = layers.Activation("relu")(x)
        x = layers.BatchNormalization()(layers.SeparableConv2D(size, 3, padding="same")(x))
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        before = layers.Conv2D(size, 1, strides=2, padding="same")(before)
        x = before = layers.add([x, before])
    x = layers.Dropout(0.25)(layers.GlobalAveragePooling2D()(x))
    return k.Model(image, layers.Dense(1, activation="sigmoid")(x))


def _resnet_cifar(k: Keras) -> Any:
    layers = k.layers
    image = k.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    for filters, strides in ((8, 1), (16, 2)):
        y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(filters, 3, strides, padding="same")(x)))
        y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(y))
        x = layers.ReLU()(layers.Add()([layers.Conv2D(filters, 1, strides)(x), y]))
    return k.Model(image, layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def _vit(k: Keras, pool: bool = True) -> Any:
    layers = k.layers
    image = k.Input((32, 32, 3))
    x = layers.Reshape((16, 24))(layers.Conv2D(24, 8, strides=8)(layers.Rescaling(1 / 255)(image)))
    for _ in range(2):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([layers.MultiHeadAttention(3, 8, dropout=0.1)(y, y), x])
        y = layers.Dense(48, activation="gelu")(layers.LayerNormalization(epsilon=1e-6)(x))
        x = layers.Add()([layers.Dense(24)(layers.Dropout(0.1)(y)), x])
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.GlobalAveragePooling1D()(x) if pool else layers.Flatten()(x)
    return k.Model(image, layers.Dense(5)(x))


def _mixer(k: Keras) -> Any:
    layers = k.layers
    image = k.Input((32, 32, 3))
    x = layers.Reshape((16, 24))(layers.Conv2D(24, 8, strides=8)(image))
    for _ in range(2):
        y = layers.Permute((2, 1))(layers.LayerNormalization()(x))
        y = layers.Dense(16)(layers.Dense(20, activation="gelu")(y))
        x = layers.Add()([x, layers.Permute((2, 1))(y)])
        y = layers.Dense(32, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(24)(y)])
    return k.Model(image, layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling1D()(x)))


def _conv_mixer(k: Keras) -> Any:
    layers = k.layers
    image = k.Input((32, 32, 3))
    x = layers.Rescaling(1 / 255)(image)
    x = layers.BatchNormalization()(layers.Activation("gelu")(layers.Conv2D(16, 2, strides=2)(x)))
    for _ in range(2):
        y = layers.DepthwiseConv2D(5, padding="same")(x)
        x = layers.Add()([layers.BatchNormalization()(layers.Activation("gelu")(y)), x])
        x = layers.BatchNormalization()(layers.Activation("gelu")(layers.Conv2D(16, 1)(x)))
    return k.Model(image, layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def _squeeze_excite(k: Keras) -> Any:
    layers = k.layers
    image = k.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, activation="relu")(image)
    y = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(x))
    y = layers.Dense(8, activation="sigmoid")(layers.Dense(4, activation="relu")(y))
    x = layers.Conv2D(8, 3, activation="relu")(layers.Multiply()([x, y]))
    return k.Model(image, layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


_AUGMENTATIONS: Mapping[int, Mapping[str, tuple[Any, ...]]] = {
    2: {
        "RandomFlip": (), "RandomRotation": (0.1,), "RandomZoom": (0.1,), "RandomTranslation": (0.1, 0.1),
        "RandomContrast": (0.1,), "RandomBrightness": (0.1,), "RandomHeight": (0.1,), "RandomWidth": (0.1,),
    },
    3: {
        "RandomFlip": (), "RandomRotation": (0.1,), "RandomZoom": (0.1,), "RandomTranslation": (0.1, 0.1),
        "RandomContrast": (0.1,), "RandomBrightness": (0.1,), "RandomShear": (0.1,), "RandomHue": (0.1,),
        "RandomSaturation": (0.1,), "RandomSharpness": (0.1,), "RandomGrayscale": (0.1,),
        "RandomColorJitter": (), "RandomColorDegeneration": (0.1,), "RandomPosterization": (4,), "RandomInvert": (0.1,),
        "RandomElasticTransform": (), "RandomErasing": (), "RandomGaussianBlur": (), "RandomPerspective": (),
        "AugMix": (), "RandAugment": (), "CutMix": (), "MixUp": (),
    },
}  # fmt: skip


def _augmented(k: Keras) -> Any:
    layers, image = k.layers, k.Input((32, 32, 3))
    x = image
    for name, arguments in _AUGMENTATIONS[3 if k.__version__.startswith("3") else 2].items():
        x = getattr(layers, name)(*arguments)(x)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(x))
    return k.Model(image, layers.Dense(5)(x))


def _random_crop(k: Keras) -> Any:
    layers = k.layers
    return _chain(k, [layers.RandomCrop(24, 20), layers.Conv2D(8, 3), layers.GlobalAveragePooling2D()], (32, 32, 3))


def _adapted(axis: int | None) -> Build:
    def build(k: Keras) -> Any:
        normalization = k.layers.Normalization(axis=axis)
        normalization.adapt(tf.random.stateless_uniform((64, 32, 32, 3), (1, 2), 0, 255).numpy())
        return _chain(k, [normalization, *_convolutions(k)])

    return build


def _function_activation(name: str) -> Build:
    return lambda k: _chain(k, _convolutions(k, name))


def _layer_activation(k: Keras) -> Any:
    return _chain(k, _convolutions(k, k.layers.LeakyReLU(0.2)))


def _log_softmax(k: Keras) -> Any:
    return _chain(k, _convolutions(k), head=tf.nn.log_softmax if k.__version__.startswith("2") else "log_softmax")


def _resized_in_graph(k: Keras) -> Any:
    layers, image = k.layers, k.Input((28, 28, 1))
    if k.__version__.startswith("2"):
        x = tf.image.grayscale_to_rgb(tf.image.resize(image, (32, 32)))
    else:
        x = k.ops.concatenate([k.ops.image.resize(image, (32, 32))] * 3, axis=-1)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(x))
    return k.Model(image, layers.Dense(5)(x))


def _standardised(k: Keras) -> Any:
    layers, image = k.layers, k.Input((32, 32, 3))
    x = tf.image.per_image_standardization(image)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(x))
    return k.Model(image, layers.Dense(5)(x))


def _stacked(k: Keras) -> Any:
    layers, image = k.layers, k.Input((32, 32, 3))
    stack = tf.stack if k.__version__.startswith("2") else k.ops.stack
    x = stack([image[..., 2], image[..., 1], image[..., 0]], axis=-1) / 255.0
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(x))
    return k.Model(image, layers.Dense(5)(x))


def _any_size(k: Keras) -> Any:
    layers = k.layers
    return _chain(k, [layers.Conv2D(8, 3, activation="relu"), layers.GlobalAveragePooling2D()], (None, None, 3))


def _without_channels(flat: bool) -> Build:
    def build(k: Keras) -> Any:
        if flat:
            return _chain(k, [k.layers.Flatten(), k.layers.Dense(16, activation="relu")], (28, 28))
        return _chain(k, [k.layers.Reshape((28, 28, 1)), *_convolutions(k)], (28, 28))

    return build


def _channels_first(k: Keras) -> Any:
    layers, first = k.layers, {"data_format": "channels_first"}
    image = k.Input((3, 32, 32))
    x = layers.BatchNormalization(axis=1)(layers.Conv2D(8, 3, padding="same", **first)(image))
    y = layers.Conv2D(8, 3, padding="same", activation="relu", **first)(layers.ReLU()(x))
    x = layers.MaxPooling2D(**first)(layers.Concatenate(axis=1)([x, layers.Add()([x, y])]))
    return k.Model(image, layers.Dense(5)(layers.Flatten()(x)))


def _pruned(k: Keras) -> Any:
    return tfmot.sparsity.keras.prune_low_magnitude(_mnist_convnet(k))


def _clustered(k: Keras) -> Any:
    start = tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS
    return tfmot.clustering.keras.cluster_weights(_mnist_convnet(k), number_of_clusters=4, cluster_centroids_init=start)


def _subclass(k: Keras) -> Any:
    class TwoStepModel(k.Model):
        """Trains in a way of its own; its graph is functional."""

    image = k.Input((32, 32, 3))
    x = image
    for layer in _convolutions(k):
        x = layer(x)
    return TwoStepModel(image, k.layers.Dense(5, activation="softmax")(x))


def _tutorial(build: Build, versions: tuple[int, ...] = (2, 3)) -> ModelCase:
    return ModelCase("tutorials", build, versions)


def _part(build: Build, versions: tuple[int, ...] = (2, 3)) -> ModelCase:
    return ModelCase("parts", build, versions)


MODEL_CASES: Mapping[str, ModelCase] = {
    "MNIST, dense layers, 28 x 28": _tutorial(_without_channels(flat=True)),
    "MNIST, convolutions": _tutorial(_mnist_convnet),
    "MNIST, convolutions, 28 x 28": _tutorial(_without_channels(flat=False)),
    "CIFAR, small ResNet": _tutorial(_resnet_cifar),
    "flowers (TensorFlow's tutorial)": _tutorial(_flowers),
    "cats and dogs from scratch": _tutorial(_mini_xception),
    "multi-label, N sigmoids": _tutorial(
        lambda k: _chain(k, [k.layers.Rescaling(1 / 255), *_convolutions(k)], head="sigmoid")
    ),
    "ViT": ModelCase("transformers and mixers", _vit),
    "ViT, flattened": ModelCase("transformers and mixers", lambda k: _vit(k, pool=False)),
    "MLP-Mixer": ModelCase("transformers and mixers", _mixer),
    "ConvMixer": ModelCase("transformers and mixers", _conv_mixer),
    "squeeze and excitation": _part(_squeeze_excite),
    "activation hard_sigmoid": _part(_function_activation("hard_sigmoid")),
    "activation hard_silu": _part(_function_activation("hard_silu"), (3,)),
    "activation log_softmax": _part(_log_softmax),
    "activation that is a layer": _part(_layer_activation),
    "augmentation, every layer": _part(_augmented),
    "augmentation, RandomCrop": _part(_random_crop),
    "Normalization, by channel": _part(_adapted(-1)),
    "Normalization(axis=None)": _part(_adapted(None)),
    "resizing in the graph": _part(_resized_in_graph),
    "per-image standardisation": _part(_standardised, (2,)),
    "channels stacked anew": _part(_stacked),
    "images of any size": _part(_any_size),
    "channels_first": _part(_channels_first),
    "tfmot's pruning wrappers": _part(_pruned, (2,)),
    "tfmot's clustering wrappers": _part(_clustered, (2,)),
    "subclass of Model, functional graph": _part(_subclass),
    "MobileNet": _application("MobileNet", alpha=0.25),
    "MobileNetV2": _application("MobileNetV2", alpha=0.35),
    "MobileNetV3Small": _application("MobileNetV3Small"),
    "MobileNetV3Large": _application("MobileNetV3Large"),
    "EfficientNetB0": _application("EfficientNetB0"),
    "EfficientNetB3": _application("EfficientNetB3"),
    "EfficientNetV2B0": _application("EfficientNetV2B0"),
    "EfficientNetV2S": _application("EfficientNetV2S"),
    "ResNet50": _application("ResNet50"),
    "ResNet50V2": _application("ResNet50V2"),
    "DenseNet121": _application("DenseNet121"),
    "NASNetMobile": _application("NASNetMobile"),
    "InceptionV3": _application("InceptionV3", 75),
    "Xception": _application("Xception", 71),
    "InceptionResNetV2": _application("InceptionResNetV2", 75),
    "ConvNeXtTiny": _application("ConvNeXtTiny"),
    "RegNetX002": _application("RegNetX002"),
    "ResNetRS50": _application("ResNetRS50"),
    "VGG16 without top": _in_sequential("VGG16"),
    "MobileNetV2 in a Sequential": _in_sequential("MobileNetV2", alpha=0.35),
    "EfficientNetB0 in a Sequential": _in_sequential("EfficientNetB0"),
    "MobileNetV2, transfer": transfer_case("MobileNetV2", alpha=0.35),
    "MobileNetV2, own preprocessing": transfer_case("MobileNetV2", module="mobilenet_v2", alpha=0.35),
    "MobileNetV2, cats and dogs": transfer_case("MobileNetV2", units=1, activation="sigmoid", alpha=0.35),
    "MobileNetV2, cats and dogs, logit": transfer_case("MobileNetV2", units=1, activation=None, alpha=0.35),
    "EfficientNetB0, transfer": transfer_case("EfficientNetB0"),
    "EfficientNetV2B0, transfer": transfer_case("EfficientNetV2B0"),
    "ResNet50, own preprocessing": transfer_case("ResNet50", module="resnet50"),
    "VGG16, own preprocessing": transfer_case("VGG16", module="vgg16"),
    "DenseNet121, own preprocessing": transfer_case("DenseNet121", module="densenet"),
    "Xception, transfer": transfer_case("Xception", 71),
}
