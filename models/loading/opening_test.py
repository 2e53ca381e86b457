import json
import os
import resource
from pathlib import Path

import h5py
import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data.errors import InputError
from goodnet.models.classifier import classifier_facts
from goodnet.models.legacy_keras import keras, tf, tfmot
from goodnet.models.loading.opening import open_model
from goodnet.models.networks.architectures import ARCHITECTURES

_LAYERS = keras.layers


class RoundTripTest(parameterized.TestCase):
    @parameterized.product(name=sorted(ARCHITECTURES), suffix=[".h5", ".keras"])
    def test_whole_models_of_keras_2(self, name, suffix):
        model = _trained_looking(ARCHITECTURES[name](5, (33, 35, 3)))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        path = _saved(self, model, name + suffix)
        opened = open_model(path)
        _assert_same_outputs(model, opened)
        self.assertEqual([layer.name for layer in opened.layers], [layer.name for layer in model.layers])
        self.assertIsNone(opened.optimizer)

    @parameterized.parameters(*sorted(ARCHITECTURES))
    def test_weights_of_a_known_architecture(self, name):
        model = _trained_looking(ARCHITECTURES[name](5, (55, 47, 3)))
        path = os.path.join(self.create_tempdir(), "weights.h5")
        model.save_weights(path)
        _assert_same_outputs(model, open_model(path, name, image_shape=(55, 47, 3)))

    def test_weights_under_numbers(self):
        path = os.path.join(self.create_tempdir(), "small.weights.h5")
        model = _trained_looking(ARCHITECTURES["vgg"](7, (32, 32, 3)))
        with h5py.File(path, "w") as file:
            numbers = {}
            for layer in model.layers:
                kind = {"Conv2D": "conv2d", "BatchNormalization": "batch_normalization", "Dense": "dense"}.get(
                    type(layer).__name__
                )
                if kind is None:
                    continue
                number = numbers[kind] = numbers.get(kind, -1) + 1
                for index, array in enumerate(layer.get_weights()):
                    file[f"layers/{kind}{f'_{number}' if number else ''}/vars/{index}"] = array
        _assert_same_outputs(model, open_model(path, "vgg", image_shape=(32, 32, 3)))
        with self.assertRaisesRegex(InputError, "under numbers; expected a whole model, or the --architecture"):
            open_model(path)

    def test_deepid_is_recognised_by_its_weights(self):
        model = _trained_looking(ARCHITECTURES["deepid"](12, (55, 47, 1)))
        path = os.path.join(self.create_tempdir(), "weights.h5")
        model.save_weights(path)
        with self.assertLogs("absl", "INFO") as logged:
            opened = open_model(path)
        self.assertIn("recognised as deepid", logged.output[0])
        self.assertEqual(classifier_facts(opened).image_shape, (55, 47, 1))
        self.assertEqual(classifier_facts(opened).classes, 12)
        _assert_same_outputs(model, opened)

    def test_what_a_file_carries_over_from_training_is_left_behind(self):
        model = keras.Sequential(
            [
                _LAYERS.Input((6, 6, 3)),
                _LAYERS.Conv2D(4, 3, kernel_regularizer="l2", kernel_constraint="non_neg", kernel_initializer="ones"),
                _LAYERS.GlobalAveragePooling2D(),
                _LAYERS.Dense(3, trainable=False),
            ]
        )
        opened = open_model(_saved(self, model, "model.keras"))
        _assert_same_outputs(model, opened)
        self.assertEmpty(opened.losses)
        self.assertLen(opened.trainable_weights, 4)
        self.assertIsNone(opened.layers[1].kernel_constraint)

    def test_older_dialects(self):
        """`Model` and bytes, as in Keras 2.2.4, and the names by which an old session told layers apart."""
        model = _trained_looking(_small_chain())
        path = _saved(self, model, "model.h5")
        with h5py.File(path, "r+") as file:
            config = file.attrs["model_config"].replace('"Functional"', '"Model"')
            file.attrs["model_config"] = np.bytes_(config.encode())
            del file.attrs["backend"]
            group = file["model_weights/conv_1"]
            group.move("conv_1/kernel:0", "conv_1_1/kernel:0")
            group.move("conv_1/bias:0", "conv_1_1/bias:0")
            group.attrs["weight_names"] = np.array([b"conv_1_1/kernel:0", b"conv_1_1/bias:0"])
        _assert_same_outputs(model, open_model(path))

    def test_sequential_config_that_is_a_list(self):
        model = keras.Sequential([_LAYERS.Flatten(input_shape=(4, 4, 3)), _LAYERS.Dense(3)])
        path = _saved(self, model, "model.h5")
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            layers = config["config"]["layers"][1:]
            layers[0]["config"]["batch_input_shape"] = [None, 4, 4, 3]
            file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": layers})
        _assert_same_outputs(model, open_model(path))

    def test_many_long_layer_names_are_stored_in_pieces(self):
        image = features = keras.Input((4, 4, 3))
        for number in range(380):
            features = _LAYERS.Activation("relu", name=f"activation_{number}_{'x' * 170}")(features)
        model = keras.Model(image, _LAYERS.Dense(2)(_LAYERS.Flatten()(features)))
        path = _saved(self, model, "model.h5")
        with h5py.File(path) as file:
            self.assertIn("layer_names0", file["model_weights"].attrs)
        _assert_same_outputs(model, open_model(path))

    @parameterized.parameters(".h5", ".keras")
    def test_functions_of_tensors(self, suffix):
        image = keras.Input((8, 8, 3))
        first = _LAYERS.Conv2D(4, 3, padding="same", name="first")(image)
        second = _LAYERS.Conv2D(4, 3, padding="same", name="second")(first)
        joined = tf.nn.relu(first + second) * 0.5
        joined = tf.concat([joined, 1.0 - joined], axis=-1)[:, 1:-1]
        logits = _LAYERS.Dense(4)(tf.reduce_mean(joined, axis=[1, 2]))
        chosen = tf.gather(logits, tf.argmax(logits, axis=-1, output_type=tf.int32), axis=1, batch_dims=1)
        shifted = tf.where(logits > 0.1, logits, tf.cast(tf.expand_dims(chosen, -1) > 0, tf.float32))
        model = keras.Model(image, tf.nn.softmax(shifted))
        opened = open_model(_saved(self, model, "model" + suffix))
        _assert_same_outputs(model, opened)
        kinds = [type(layer).__name__ for layer in opened.layers]
        # The skip connection and the softmax are layers now, which surgery and classifier facts understand.
        self.assertIn("Add", kinds)
        self.assertFalse(classifier_facts(opened).logits)

    def test_shared_layers(self):
        image = keras.Input((8, 8, 3))
        conv = _LAYERS.Conv2D(3, 3, padding="same")
        model = keras.Model(image, _LAYERS.Dense(2)(_LAYERS.Flatten()(conv(conv(conv(image))))))
        opened = open_model(_saved(self, model, "model.keras"))
        _assert_same_outputs(model, opened)
        self.assertLen(opened.layers, len(model.layers))


class CommonNetworksTest(parameterized.TestCase):
    """Networks as people have them, which keep what only training needs, or have another form."""

    @parameterized.parameters(".h5", ".keras")
    def test_attention(self, suffix):
        image = keras.Input((12, 12, 3))
        x = _LAYERS.Reshape((9, 6))(_LAYERS.Conv2D(6, 4, strides=4)(image))
        x = _LAYERS.Add()([_LAYERS.MultiHeadAttention(2, 4, dropout=0.1)(x, x), x])
        x = _LAYERS.MultiHeadAttention(3, 4, value_dim=2, output_shape=5, use_bias=False)(x, x, key=x)
        x = _LAYERS.GlobalAveragePooling1D()(_LAYERS.Dropout(0.5, noise_shape=(None, 1, 1))(x))
        model = _trained_looking(keras.Model(image, _LAYERS.Dense(4)(x)))
        opened = open_model(_saved(self, model, "model" + suffix))
        _assert_same_outputs(model, opened)
        again = open_model(_saved(self, opened, "again" + suffix))
        _assert_same_outputs(model, again)

    @parameterized.parameters(".h5", ".keras")
    def test_activations(self, suffix):
        model = _trained_looking(
            _chained(
                _LAYERS.Conv2D(4, 3, activation="hard_sigmoid"),
                _LAYERS.Conv2D(4, 3, activation=_LAYERS.LeakyReLU(0.2)),
                _LAYERS.DepthwiseConv2D(3, activation=_LAYERS.Activation("hard_sigmoid")),
                _LAYERS.Flatten(),
                _LAYERS.Dense(4, activation=tf.nn.log_softmax),
            )
        )
        opened = open_model(_saved(self, model, "model" + suffix))
        _assert_same_outputs(model, opened)
        self.assertTrue(classifier_facts(opened).logits)

    @parameterized.parameters(".h5", ".keras")
    def test_preprocessing_in_the_graph(self, suffix):
        normalization = _LAYERS.Normalization(axis=None)
        normalization.adapt(np.random.default_rng(0).random((9, 12, 12, 3)))
        image = keras.Input((8, 8, 1))
        x = normalization(tf.image.grayscale_to_rgb(tf.image.resize(image, (12, 12), method="nearest")))
        x = tf.nn.bias_add(tf.image.per_image_standardization(x), [0.1, 0.2, 0.3])
        x = _LAYERS.RandomCrop(8, 6)(_LAYERS.RandomWidth(0.1)(x))
        model = keras.Model(image, _LAYERS.Dense(4)(_LAYERS.GlobalAveragePooling2D()(_LAYERS.Conv2D(4, 3)(x))))
        _assert_same_outputs(model, open_model(_saved(self, model, "model" + suffix)))

    @parameterized.parameters(".h5", ".keras")
    def test_a_layer_that_keras_registers_as_custom(self, suffix):
        image = keras.Input((8, 8, 3))
        x = _LAYERS.Conv2D(4, 3)(image)
        x = keras.src.applications.inception_resnet_v2.CustomScaleLayer(0.17)([x, _LAYERS.ReLU()(x)])
        model = _trained_looking(keras.Model(image, _LAYERS.Dense(3)(_LAYERS.Flatten()(x))))
        _assert_same_outputs(model, open_model(_saved(self, model, "model" + suffix)))

    @parameterized.product(wrap=["pruning", "clustering"], suffix=[".h5", ".keras"])
    def test_tfmots_wrappers_are_taken_off(self, wrap, suffix):
        plain = _trained_looking(
            _chained(_LAYERS.Conv2D(4, 3), _LAYERS.SeparableConv2D(5, 3), _LAYERS.Flatten(), _LAYERS.Dense(3))
        )
        if wrap == "pruning":
            model = tfmot.sparsity.keras.prune_low_magnitude(plain)
        else:
            start = tfmot.clustering.keras.CentroidInitialization.LINEAR
            model = tfmot.clustering.keras.cluster_weights(plain, number_of_clusters=3, cluster_centroids_init=start)
        with self.assertLogs("absl", "INFO") as logged:
            opened = open_model(_saved(self, model, "model" + suffix))
        self.assertIn("4 layers are still in tfmot's wrappers", logged.output[-1])
        _assert_same_outputs(model, opened)

    @parameterized.parameters(".h5", ".keras")
    def test_a_subclass_that_is_a_functional_graph(self, suffix):
        image = keras.Input((8, 8, 3))
        model = _OwnModel(image, _LAYERS.Dense(3)(_LAYERS.Flatten()(_LAYERS.Conv2D(4, 3)(image))))
        with self.assertLogs("absl", "INFO") as logged:
            opened = open_model(_saved(self, model, "model" + suffix))
        self.assertRegex(logged.output[-1], "'_OwnModel'; opened as the functional graph")
        _assert_same_outputs(model, opened)

    def test_images_of_any_size(self):
        model = _chained(
            _LAYERS.Conv2D(4, 3), _LAYERS.GlobalAveragePooling2D(), _LAYERS.Dense(3), shape=(None, None, 3)
        )
        path = _saved(self, model, "model.h5")
        opened = open_model(path, image_shape=(9, 9, 3))
        self.assertEqual(opened.input_shape, (None, 9, 9, 3))
        _assert_same_outputs(model, opened)
        for shape, message in (
            (None, "expected the size of the images"),
            ((9, 7, 1), r"images at hand are \[9, 7, 1\]"),
        ):
            with self.assertRaisesRegex(InputError, message):
                open_model(path, image_shape=shape)


class ClassifierFormTest(parameterized.TestCase):
    @parameterized.product(activation=["sigmoid", None], suffix=[".h5", ".keras"], in_a_head=[False, True])
    def test_one_output_for_two_classes(self, activation, suffix, in_a_head):
        dense = _LAYERS.Dense(1, activation=activation)
        if in_a_head:
            dense = keras.Sequential([keras.Input((256,)), _LAYERS.Dropout(0.1), dense])
        model = _trained_looking(_chained(_LAYERS.Conv2D(4, 3, padding="same"), _LAYERS.Flatten(), dense))
        with self.assertLogs("absl", "INFO") as logged:
            opened = open_model(_saved(self, model, "model" + suffix))
        self.assertIn("its output is one", logged.output[-1])
        images = _images(model)
        expected = model(images, training=False).numpy()
        first = 1 - expected if activation else np.zeros_like(expected)
        np.testing.assert_allclose(opened(images), np.concatenate([first, expected], axis=1), rtol=1e-5, atol=1e-6)
        self.assertEqual((classifier_facts(opened).classes, classifier_facts(opened).logits), (2, activation is None))

    @parameterized.parameters("in the layer", "a layer", "an operation")
    def test_a_sigmoid_for_each_class(self, where):
        image = keras.Input((8, 8, 3))
        features = _LAYERS.Flatten()(_LAYERS.Conv2D(4, 3)(image))
        outputs = _LAYERS.Dense(4, activation="sigmoid" if where == "in the layer" else None)(features)
        if where != "in the layer":
            outputs = _LAYERS.Activation("sigmoid")(outputs) if where == "a layer" else tf.math.sigmoid(outputs)
        model = _trained_looking(keras.Model(image, outputs))
        opened = open_model(_saved(self, model, "model.h5"))
        # Dark ones, so that no sigmoid is rounded to 1.
        images = 0.1 * _images(model)
        expected = model(images, training=False).numpy().astype(np.float64)
        odds = expected / (1 - expected)
        np.testing.assert_allclose(opened(images), odds / odds.sum(axis=1, keepdims=True), atol=1e-4)
        self.assertFalse(classifier_facts(opened).logits)

    def test_logits_that_another_layer_reads_stay(self):
        image = keras.Input((8, 8, 3))
        logit = _LAYERS.Dense(1, name="logit")(_LAYERS.Flatten()(image))
        model = keras.Model(image, _LAYERS.Dense(1, activation="sigmoid")(_LAYERS.Multiply()([logit, logit])))
        opened = open_model(_saved(self, model, "model.h5"))
        self.assertEqual(opened.get_layer("logit").units, 1)
        self.assertEqual(opened.output_shape, (None, 2))

    def test_images_without_a_channel_axis(self):
        model = _trained_looking(_chained(_LAYERS.Flatten(), _LAYERS.Dense(3), shape=(8, 6)))
        with self.assertLogs("absl", "INFO") as logged:
            opened = open_model(_saved(self, model, "model.h5"))
        self.assertIn("opened for images of 8 x 6 x 1", logged.output[-1])
        images = np.random.default_rng(0).random((4, 8, 6, 1), np.float32)
        np.testing.assert_allclose(opened(images), model(images[..., 0]), atol=1e-6)
        self.assertEqual(classifier_facts(opened).image_shape, (8, 6, 1))

    def test_images_with_the_channels_first(self):
        layers = (_LAYERS.Permute((2, 3, 1)), _LAYERS.Conv2D(4, 3), _LAYERS.Flatten(), _LAYERS.Dense(3))
        model = _trained_looking(_chained(*layers, shape=(3, 8, 6)))
        opened = open_model(_saved(self, model, "model.h5"))
        images = np.random.default_rng(0).random((4, 8, 6, 3), np.float32)
        np.testing.assert_allclose(opened(images), model(images.transpose(0, 3, 1, 2)), atol=1e-6)


class NestedTest(parameterized.TestCase):
    @parameterized.product(suffix=[".h5", ".keras"], frozen=[False, True], flat=[False, True])
    def test_nested_models(self, suffix, frozen, flat):
        model = _nested_model(frozen)
        opened = open_model(_saved(self, model, "model" + suffix), flat=flat)
        _assert_same_outputs(model, opened)
        self.assertEqual(any(isinstance(layer, keras.Model) for layer in opened.layers), not flat)
        if flat:
            self.assertIn("base_conv_1", [layer.name for layer in opened.layers])
        else:
            self.assertEqual(opened.get_layer("base").layers[1].name, "conv_1")

    def test_a_nested_model_called_twice(self):
        image = keras.Input((8, 8, 3))
        base = keras.Sequential([_LAYERS.Input((8, 8, 3)), _LAYERS.Conv2D(3, 3, padding="same")], name="base")
        model = keras.Model(image, _LAYERS.Dense(2)(_LAYERS.Flatten()(_LAYERS.Add()([base(base(image)), base(image)]))))
        for flat in (False, True):
            _assert_same_outputs(model, open_model(_saved(self, model, "model.h5"), flat=flat))

    def test_a_sequential_of_a_known_application(self):
        base = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, include_top=False, weights=None)
        model = _trained_looking(keras.Sequential([base, _LAYERS.GlobalAveragePooling2D(), _LAYERS.Dense(3)]))
        _assert_same_outputs(model, open_model(_saved(self, model, "model.h5")))


class CsawTest(absltest.TestCase):
    def test_whole_model_and_weights(self):
        if "SHARED_DATA" not in os.environ:
            self.skipTest("SHARED_DATA does not name the folder with the CSAW weights")
        folder = Path(os.environ["SHARED_DATA"]) / "csaw"
        paths = sorted(folder.glob("*.h5"))
        self.assertLen(paths, 6)
        for path in paths:
            model = open_model(str(path))
            self.assertEqual(model.count_params(), 601_643)
            reference = ARCHITECTURES["deepid"](1283, (55, 47, 3))
            reference.load_weights(str(path))
            _assert_same_outputs(reference, model)


class RefusedTest(parameterized.TestCase):
    def test_weights_need_an_architecture(self):
        path = os.path.join(self.create_tempdir(), "weights.h5")
        _small_chain().save_weights(path)
        with self.assertRaisesRegex(InputError, r"weights\.h5: .*--architecture \(one of deepid, resnet, vgg\)"):
            open_model(path)
        with self.assertRaisesRegex(InputError, "--architecture=alexnet: unknown"):
            open_model(path, "alexnet")
        with self.assertRaisesRegex(InputError, "no layer 'output'"):
            open_model(path, "deepid")

    def test_weights_of_another_image_size(self):
        path = os.path.join(self.create_tempdir(), "weights.h5")
        model = _trained_looking(ARCHITECTURES["deepid"](4, (64, 64, 3)))
        model.save_weights(path)
        with self.assertRaisesRegex(InputError, "those of 55 x 47 images"):
            open_model(path)
        _assert_same_outputs(model, open_model(path, image_shape=(64, 64, 3)))

    def test_weights_that_are_single_numbers(self):
        """Found by fuzzing."""
        for layer in ("fc_1", "fc_2", "conv_1", "output"):
            path = os.path.join(self.create_tempdir(), "weights.h5")
            ARCHITECTURES["deepid"](4, (55, 47, 3)).save_weights(path)
            with h5py.File(path, "r+") as file:
                del file[f"{layer}/{layer}/kernel:0"]
                file[f"{layer}/{layer}/kernel:0"] = np.float32(1)
            with self.assertRaisesRegex(InputError, r"weights\.h5: .*; expected"):
                open_model(path)

    def test_weights_for_millions_of_channels(self):
        path = os.path.join(self.create_tempdir(), "weights.h5")
        ARCHITECTURES["deepid"](4, (55, 47, 3)).save_weights(path)
        with h5py.File(path, "r+") as file:
            del file["conv_1/conv_1/kernel:0"]
            kernel = np.zeros((1, 1, 2**21, 2), np.float32)
            file.create_dataset("conv_1/conv_1/kernel:0", data=kernel, chunks=(1, 1, 2**14, 2), compression="gzip")
        with self.assertRaisesRegex(InputError, "a kernel for 2097152 channels; expected 1 or 3|unpack to"):
            open_model(path)

    def test_a_number_of_classes_that_is_only_claimed(self):
        """A long bias: a network of so many classes would take five gigabytes."""
        path = os.path.join(self.create_tempdir(), "weights.h5")
        ARCHITECTURES["deepid"](4, (55, 47, 3)).save_weights(path)
        for classes, message in ((2**20, r"kernel has the shape \(160, 4\)"), (2**23, "units is")):
            with h5py.File(path, "r+") as file:
                del file["output/output/bias:0"]
                bias = np.tile(np.arange(2**10, dtype=np.float32), classes // 2**10)
                file.create_dataset("output/output/bias:0", data=bias, chunks=(2**18,), compression="gzip")
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            with self.assertRaisesRegex(InputError, message):
                open_model(path)
            self.assertLess(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, 2**19)  # KiB

    def test_what_is_no_model_file(self):
        folder = Path(self.create_tempdir())
        (folder / "saved").mkdir()
        (folder / "saved" / "saved_model.pb").write_bytes(b"")
        (folder / "empty.h5").write_bytes(b"")
        (folder / "model.pkl").write_bytes(b"\x80\x04\x95")
        (folder / "model.tflite").write_bytes(b"\x20\0\0\0TFL3" + bytes(20))
        (folder / "picture.h5").write_bytes(b"\x89PNG\r\n\x1a\n")
        os.mkfifo(folder / "pipe.h5")
        (folder / "device.h5").symlink_to("/dev/zero")
        with h5py.File(folder / "data.h5", "w") as file:
            file["data"] = np.zeros(3)
        for name, message in (
            ("saved", "a SavedModel"),
            ("", "a folder"),
            ("absent.h5", "No such file"),
            ("empty.h5", "an empty file"),
            ("model.pkl", "a Python pickle"),
            ("model.tflite", "a TFLite model"),
            ("picture.h5", "neither HDF5 nor"),
            ("pipe.h5", "no regular file"),
            ("device.h5", "no regular file"),
            ("data.h5", "HDF5 without a model"),
        ):
            with self.assertRaisesRegex(InputError, message) as raised:
                open_model(str(folder / name))
            self.assertIn(name, str(raised.exception))
            self.assertNotIn("\n", str(raised.exception))


def _small_chain() -> keras.Model:
    image = keras.Input((8, 8, 3))
    conv = _LAYERS.Conv2D(4, 3, name="conv_1")(image)
    normed = _LAYERS.BatchNormalization(name="bn_1")(conv)
    return keras.Model(image, _LAYERS.Dense(3, name="fc_1")(_LAYERS.Flatten()(normed)))


def _nested_model(frozen: bool) -> keras.Model:
    """Layers of the same name inside and outside, three levels deep, batch norm in between."""
    block = keras.Sequential(
        [_LAYERS.Conv2D(5, 3, name="conv_2"), _LAYERS.BatchNormalization(name="bn_2")], name="block"
    )
    image = keras.Input((10, 10, 4))
    inner = _LAYERS.Conv2D(4, 3, padding="same", name="conv_1")(image)
    inner = _LAYERS.BatchNormalization(name="bn")(_LAYERS.Add()([inner, image]))
    base = keras.Model(image, block(inner), name="base")
    base.trainable = not frozen
    outer = keras.Input((12, 12, 3))
    features = _LAYERS.Conv2D(4, 3, activation="relu", name="conv_1")(outer)
    pooled = _LAYERS.GlobalAveragePooling2D()(base(features, training=False))
    return _trained_looking(keras.Model(outer, _LAYERS.Dense(3)(pooled)))


class _OwnModel(keras.Model):
    """A class as tutorials write them, to train in a way of their own."""


def _chained(*layers: keras.layers.Layer, shape: tuple = (8, 8, 3)) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *layers])


def _trained_looking(model: keras.Model) -> keras.Model:
    """All weights random, so that no two of one shape can be mixed up unnoticed."""
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if variable.dtype.is_floating:
            low = 0.5 if "variance" in variable.name else -0.3
            variable.assign(rng.uniform(low, low + 0.7, variable.shape))
    return model


def _images(model: keras.Model) -> np.ndarray:
    return np.random.default_rng(1).random((4, *(extent or 9 for extent in model.input_shape[1:])), np.float32)


def _saved(test: absltest.TestCase, model: keras.Model, name: str) -> str:
    path = os.path.join(test.create_tempdir(), name)
    model.save(path)
    return path


def _assert_same_outputs(model: keras.Model, opened: keras.Model) -> None:
    expected = model(_images(model), training=False)
    np.testing.assert_allclose(opened(_images(model), training=False), expected, rtol=1e-5, atol=1e-5)


if __name__ == "__main__":
    absltest.main()
