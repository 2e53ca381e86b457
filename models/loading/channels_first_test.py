"""Tests of networks with channels first: they answer as the same weights do in a network with channels last."""

import os
from collections.abc import Callable

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data.errors import InputError
from goodnet.models.channels.gates import default_gated_convolutions, gate_groups
from goodnet.models.channels.layer_graph import layer_graph
from goodnet.models.legacy_keras import keras
from goodnet.models.loading.opening import open_model

L = keras.layers
_CHANNELS = {"channels_first": 1, "channels_last": 3}


def _plain(form: str) -> keras.Model:
    image = keras.Input((3, 12, 10) if form == "channels_first" else (12, 10, 3))
    x = L.Conv2D(4, 3, strides=2, padding="same", activation="relu", data_format=form)(image)
    x = L.BatchNormalization(axis=_CHANNELS[form])(x)
    left, right = (L.SeparableConv2D(5, 3, padding="same", data_format=form)(x) for _ in range(2))
    x = L.Concatenate(axis=_CHANNELS[form])([L.LeakyReLU()(left), L.Add()([left, right])])
    x = L.AveragePooling2D(2, data_format=form)(L.ZeroPadding2D(((0, 1), (1, 0)), data_format=form)(x))
    x = L.SpatialDropout2D(0.1, data_format=form)(L.DepthwiseConv2D(2, data_format=form)(x))
    return keras.Model(image, L.Dense(4, activation="softmax")(L.Flatten(data_format=form)(x)))


def _pooled(form: str) -> keras.Model:
    image = keras.Input((3, 12, 10) if form == "channels_first" else (12, 10, 3))
    x = L.Conv2D(6, 3, data_format=form)(image)
    x = L.LayerNormalization(axis=_CHANNELS[form])(x)
    scale = L.GlobalAveragePooling2D(data_format=form, keepdims=True)(x)
    x = L.Multiply()([x, L.Conv2D(6, 1, activation="sigmoid", data_format=form)(scale)])
    x = L.GlobalMaxPooling2D(data_format=form)(L.UpSampling2D(2, data_format=form)(x))
    return keras.Model(image, L.Dense(4)(L.Flatten(data_format=form)(L.Dropout(0.1)(x))))


def _nested(form: str) -> keras.Model:
    channels = 4
    image = keras.Input((channels, 6, 5) if form == "channels_first" else (6, 5, channels))
    base = keras.Model(image, L.MaxPooling2D(2, data_format=form)(L.Conv2D(5, 2, data_format=form)(image)), name="base")
    outer = keras.Input((3, 6, 5) if form == "channels_first" else (6, 5, 3))
    x = base(L.Conv2D(channels, 1, data_format=form)(outer))
    return keras.Model(outer, L.Dense(4)(L.GlobalAveragePooling2D(data_format=form)(x)))


def _flattened(form: str) -> keras.Model:
    """A plain Flatten, which takes the numbers in the order of the axes; a network with channels last turns them."""
    image = keras.Input((3, 6, 5) if form == "channels_first" else (6, 5, 3))
    x = L.MaxPooling2D(2, data_format=form)(L.Conv2D(4, 2, data_format=form)(image))
    x = L.Permute((3, 1, 2))(x) if form == "channels_last" else x
    return keras.Model(image, L.Dense(4)(L.Flatten()(x)))


def _weights(model: keras.Model) -> list[np.ndarray]:
    """Of both signs, so that answers differ from image to image; variances are above zero."""
    rng = np.random.default_rng(0)
    return [
        rng.uniform(0.5, 1.5, weight.shape) if "variance" in weight.name else rng.normal(0, 0.3, weight.shape)
        for weight in model.weights
    ]


class ChannelsFirstTest(parameterized.TestCase):
    def _opened(self, build: Callable[[str], keras.Model], suffix: str) -> tuple[keras.Model, keras.Model]:
        first, last = build("channels_first"), build("channels_last")
        last.set_weights(_weights(last))
        first.set_weights(last.get_weights())
        path = os.path.join(self.create_tempdir().full_path, f"model{suffix}")
        first.save(path)
        return open_model(path), last

    def _assert_same(self, opened: keras.Model, expected: Callable[[np.ndarray], np.ndarray]) -> None:
        images = np.random.default_rng(1).random((5, *opened.input_shape[1:]), np.float32)
        answers = expected(images)
        # Else a network that mixes its places and channels up could give the same, such as a saturated softmax.
        self.assertGreater(np.ptp(answers, axis=0).min(), 1e-3 * np.abs(answers).max())
        np.testing.assert_allclose(opened.predict(images, verbose=0), answers, rtol=1e-5, atol=1e-6)

    @parameterized.product(build=[_plain, _pooled, _nested], suffix=[".h5", ".keras"])
    def test_it_is_the_network_with_channels_last(self, build, suffix):
        opened, last = self._opened(build, suffix)
        self.assertEqual(opened.input_shape, last.input_shape)
        self._assert_same(opened, lambda images: last.predict(images, verbose=0))
        self.assertFalse([layer.name for layer in opened.layers if isinstance(layer, L.Permute)])
        self.assertTrue(gate_groups(layer_graph(opened), default_gated_convolutions(layer_graph(opened))))

    @parameterized.parameters(".h5", ".keras")
    def test_a_plain_flatten_gives_channels_first(self, suffix):
        opened, last = self._opened(_flattened, suffix)
        self._assert_same(opened, lambda images: last.predict(images, verbose=0))

    @parameterized.parameters((1, 3), (2, 1), (3, 2), (-3, 3), (-2, 1), (-1, 2))
    def test_axes_are_those_of_the_same_meaning(self, axis, axis_of_last):
        def build(form: str) -> keras.Model:
            along = axis if form == "channels_first" else axis_of_last
            image = keras.Input((3, 6, 5) if form == "channels_first" else (6, 5, 3))
            x = L.BatchNormalization(axis=along)(L.Conv2D(4, 2, data_format=form)(image))
            x = L.Concatenate(axis=along)([x, L.Softmax(axis=along)(x)])
            return keras.Model(image, L.Dense(4)(L.Flatten(data_format=form)(x)))

        opened, last = self._opened(build, ".h5")
        self._assert_same(opened, lambda images: last.predict(images, verbose=0))
        self.assertFalse([layer.name for layer in opened.layers if isinstance(layer, L.Permute)])

    def test_what_tells_the_axes_apart_sees_channels_first(self):
        def build(form: str) -> keras.Model:
            """The same numbers in the same order under the dense layer, which a network with channels last turns."""
            image = keras.Input((3, 6, 5) if form == "channels_first" else (6, 5, 3))
            x = L.Conv2D(4, 2, data_format=form)(image)
            if form == "channels_last":
                x = L.Permute((3, 1, 2))(x)
            x = L.Reshape((4, 10, 2))(L.Softmax(axis=2)(L.LayerNormalization(axis=[1, 2])(L.Dense(4)(x))))
            return keras.Model(image, L.Dense(4)(L.Flatten()(x)))

        opened, last = self._opened(build, ".h5")
        self._assert_same(opened, lambda images: last.predict(images, verbose=0))

    def test_a_layer_of_two_uses_on_turned_tensors_and_on_others(self):
        def build(form: str) -> keras.Model:
            image = keras.Input((4, 6, 4) if form == "channels_first" else (6, 4, 4))
            norm = L.BatchNormalization(axis=1)
            x = L.Conv2D(4, 1, data_format=form)(image)
            if form == "channels_last":
                x = L.Permute((3, 1, 2))(x)
            both = [norm(x), norm(L.Reshape((4, 6, 4))(x))]
            return keras.Model(image, L.Dense(4)(L.Flatten()(L.Add()(both))))

        first, last = build("channels_first"), build("channels_last")
        last.set_weights(_weights(last))
        first.set_weights(last.get_weights())
        path = os.path.join(self.create_tempdir().full_path, "model.h5")
        first.save(path)
        opened = open_model(path)
        images = np.random.default_rng(1).random((5, 4, 6, 4), np.float32)
        expected = last.predict(images.transpose(0, 2, 3, 1), verbose=0)
        np.testing.assert_allclose(opened.predict(images, verbose=0), expected, rtol=1e-5, atol=1e-6)

    def test_what_has_no_channels_first_says_how_to_save_it(self):
        path = os.path.join(self.create_tempdir().full_path, "model.h5")
        image = keras.Input((3, 6, 5))
        x = L.GlobalAveragePooling1D(data_format="channels_first", name="odd")(L.Reshape((3, 30))(image))
        keras.Model(image, L.Dense(4)(x)).save(path)
        with self.assertRaisesRegex(InputError, "'odd'.*channels_last .put the layer between two Permute layers"):
            open_model(path)

    def test_a_resizing_between_two_permutes(self):
        def build(form: str) -> keras.Model:
            image = keras.Input((3, 6, 5) if form == "channels_first" else (6, 5, 3))
            x = L.Conv2D(4, 2, data_format=form)(image)
            x = L.Resizing(4, 6)(L.Permute((2, 3, 1))(x) if form == "channels_first" else x)
            x = L.Permute((3, 1, 2))(x) if form == "channels_first" else x
            return keras.Model(image, L.Dense(4)(L.GlobalMaxPooling2D(data_format=form)(x)))

        opened, last = self._opened(build, ".h5")
        self._assert_same(opened, lambda images: last.predict(images, verbose=0))
        self.assertFalse([layer.name for layer in opened.layers if isinstance(layer, L.Permute)])

    def test_a_softmax_along_the_width_is_refused(self):
        image = keras.Input((3, 6, 5))
        x = L.Conv2D(4, 1, activation="softmax", data_format="channels_first", name="odd")(image)
        path = os.path.join(self.create_tempdir().full_path, "model.h5")
        keras.Model(image, L.GlobalAveragePooling2D(data_format="channels_first")(x)).save(path)
        with self.assertRaisesRegex(InputError, "'odd'.*an activation along the last axis"):
            open_model(path)


if __name__ == "__main__":
    absltest.main()
