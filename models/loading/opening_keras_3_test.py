"""Models that Keras 3 wrote, in a process of its own, are opened and compute what Keras 3 computes."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.models.legacy_keras import keras
from goodnet.models.loading.opening import open_model
from goodnet.models.saving import save_network

# Run by Keras 3 in a process of its own: TensorFlow decides once which Keras it carries.
_KERAS_3_WRITER = """
import os, sys
import keras
import numpy as np
layers, ops = keras.layers, keras.ops
keras.utils.set_random_seed(1)

def conv_bn(x, filters, strides=1):
    x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
    return layers.BatchNormalization()(x)

def deepid():
    image = pooled = layers.Input((55, 47, 3), name="input")
    for block, (filters, kernel) in enumerate(((20, 4), (40, 3), (60, 3)), start=1):
        pooled = layers.Conv2D(filters, kernel, activation="relu", name=f"conv_{block}")(pooled)
        pooled = layers.MaxPooling2D(2, name=f"pool_{block}")(pooled)
    deep = layers.Conv2D(80, 2, activation="relu", name="conv_4")(pooled)
    added = layers.Add()([layers.Dense(160)(layers.Flatten()(pooled)), layers.Dense(160)(layers.Flatten()(deep))])
    return keras.Model(image, layers.Dense(7, activation="softmax")(layers.Activation("relu")(added)))

def vgg():
    return keras.Sequential([layers.Input((16, 16, 3)), layers.Conv2D(6, 3, padding="same"),
        layers.BatchNormalization(), layers.ReLU(max_value=6.0), layers.MaxPooling2D(), layers.Dropout(0.2),
        layers.SeparableConv2D(5, 3),
        layers.LeakyReLU(negative_slope=0.1), layers.DepthwiseConv2D(3, depth_multiplier=2),
        layers.PReLU(shared_axes=[1, 2]), layers.GroupNormalization(2), layers.Flatten(), layers.LayerNormalization(),
        layers.Dense(9, activation="gelu"), layers.Dense(4), layers.Softmax()])

def resnet():
    image = layers.Input((16, 16, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = ops.relu(conv_bn(x, 8))
    x = layers.ReLU()(x + conv_bn(x, 8))
    x = layers.ReLU()(conv_bn(x, 12, 2) + layers.Conv2D(12, 1, strides=2)(x))
    x = ops.concatenate([x, 1.0 - x * 2.0], axis=-1)[:, 1:, :]
    return keras.Model(image, ops.softmax(layers.Dense(4)(ops.mean(x, axis=[1, 2]))))

def nested():
    base = keras.Sequential([layers.Input((14, 14, 8)), layers.Conv2D(8, 3), layers.BatchNormalization(),
        layers.ReLU()], name="base")
    base.trainable = False
    image = layers.Input((16, 16, 3))
    x = layers.RandomFlip()(image)
    x = layers.Conv2D(8, 3, activation="silu", name="conv2d")(x)
    x = layers.GlobalAveragePooling2D()(base(x, training=False))
    return keras.Model(image, layers.Dense(4)(x))

def adapted():
    normalization = layers.Normalization()
    normalization.adapt(np.random.default_rng(2).normal(3, 2, (64, 16, 16, 3)))
    return keras.Sequential([layers.Input((16, 16, 3)), normalization, layers.UpSampling2D(interpolation="bilinear"),
        layers.Conv2D(4, 5, strides=2, padding="same"), layers.GlobalMaxPooling2D(), layers.Dense(4)])

def activations():
    return keras.Sequential([layers.Input((16, 16, 3)), layers.Conv2D(4, 3, activation="hard_silu"),
        layers.Conv2D(4, 3, activation="hard_sigmoid"), layers.Conv2D(4, 3, activation=layers.LeakyReLU(0.3)),
        layers.Activation("hard_swish"), layers.Flatten(), layers.Dense(4, activation="log_softmax")])

def augmented():
    image = layers.Input((16, 16, 3))
    x = image
    for name, arguments in (("Shear", (0.1,)), ("Hue", (0.1,)), ("Grayscale", (0.1,)), ("ColorJitter", ()),
        ("Invert", (0.1,)), ("ElasticTransform", ()), ("Erasing", ()), ("GaussianBlur", ()), ("Perspective", ()),
        ("Crop", (16, 16))):
        x = getattr(layers, "Random" + name)(*arguments)(x)
    return keras.Model(image, layers.Dense(4)(layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3)(x))))

def attention():
    image = layers.Input((16, 16, 3))
    x = layers.Normalization(axis=None, mean=0.4, variance=0.1)(ops.image.resize(image, (12, 12)))
    x = ops.stack([x[..., 2], x[..., 0]], axis=-1) + np.array([0.5, -0.5], "float32")
    x = layers.Reshape((9, 6))(layers.Conv2D(6, 4, strides=4)(x))
    x = x + layers.MultiHeadAttention(2, 4, value_dim=3, dropout=0.1)(layers.LayerNormalization()(x), x)
    x = ops.hard_silu(layers.Dropout(0.2, noise_shape=(None, 1, 1))(x))
    return keras.Model(image, ops.log_softmax(layers.Dense(4)(layers.GlobalAveragePooling1D()(x))))

def scaled():
    from keras.src.applications import convnext, inception_resnet_v2
    image = layers.Input((16, 16, 3))
    x = layers.Conv2D(4, 3)(image)
    y = convnext.StochasticDepth(0.1)(convnext.LayerScale(0.5, 4)(x))
    x = inception_resnet_v2.CustomScaleLayer(0.17)([x, y])
    return keras.Model(image, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))

def channels(form="channels_last"):
    axis = 1 if form == "channels_first" else 3
    image = layers.Input((3, 12, 10) if axis == 1 else (12, 10, 3))
    x = layers.BatchNormalization(axis=axis)(layers.Conv2D(6, 3, data_format=form)(image))
    y = ops.relu(layers.SeparableConv2D(6, 3, padding="same", data_format=form)(x)) + x
    x = layers.SpatialDropout2D(0.1, data_format=form)(layers.Concatenate(axis=axis)([x, y]))
    x = layers.ZeroPadding2D(((0, 1), (1, 0)), data_format=form)(layers.MaxPooling2D(2, data_format=form)(x))
    x = x if axis == 1 else layers.Permute((3, 1, 2))(x)
    return keras.Model(image, layers.Dense(4)(layers.Flatten()(x)))

folder = sys.argv[1]
for build in (deepid, vgg, resnet, nested, adapted, activations, augmented, attention, scaled, channels):
    model = build()
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if "moving" in variable.path or "layer_scale" in variable.path:
            variable.assign(rng.random(variable.shape) + 0.5)
    model.compile("adam", "sparse_categorical_crossentropy")
    images = rng.random((8, *model.input_shape[1:]), np.float32)
    np.savez(os.path.join(folder, build.__name__ + ".npz"), images=images, outputs=model.predict(images, verbose=0))
    if build is channels:
        # Keras computes on a CPU what channels last give, and saves the same weights with channels first.
        weights, model = model.get_weights(), build("channels_first")
        model.set_weights(weights)
    model.save(os.path.join(folder, build.__name__ + ".keras"))
    model.save(os.path.join(folder, build.__name__ + ".h5"))
"""


class Keras3Test(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        environment = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
        command = [sys.executable, "-c", _KERAS_3_WRITER, str(cls.folder)]
        subprocess.run(command, env={**environment, "KERAS_BACKEND": "tensorflow"}, check=True, capture_output=True)

    @parameterized.product(
        name=[
            "deepid",
            "vgg",
            "resnet",
            "nested",
            "adapted",
            "activations",
            "augmented",
            "attention",
            "scaled",
            "channels",
        ],
        suffix=[".keras", ".h5"],
    )
    def test_same_outputs_as_keras_3(self, name, suffix):
        with np.load(self.folder / f"{name}.npz") as stored:
            images, outputs = stored["images"], stored["outputs"]
        for flat in (False, True):
            opened = open_model(str(self.folder / f"{name}{suffix}"), flat=flat)
            np.testing.assert_allclose(opened(images), outputs, atol=1e-5)
        self.assertIsInstance(opened, keras.Model)
        again = os.path.join(self.create_tempdir(), f"again{suffix}")
        save_network(opened, again)
        np.testing.assert_allclose(open_model(again)(images), outputs, atol=1e-5)


if __name__ == "__main__":
    absltest.main()
