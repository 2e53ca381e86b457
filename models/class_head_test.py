"""Tests of finding the layer that makes the classes."""

from absl.testing import absltest, parameterized

from goodnet.models.class_head import class_head
from goodnet.models.legacy_keras import keras

_LAYERS = keras.layers


class ClassHeadTest(parameterized.TestCase):
    @parameterized.named_parameters(
        ("softmax_inside", []),
        ("softmax_layer", [_LAYERS.Softmax()]),
        ("softmax_activation", [_LAYERS.Activation("softmax")]),
        ("dropout_between", [_LAYERS.Dropout(0.5), _LAYERS.Softmax()]),
    )
    def test_it_sees_through_what_keeps_logits(self, last):
        activation = None if last else "softmax"
        features = [_LAYERS.Input((8, 8, 3)), _LAYERS.Flatten(), _LAYERS.Dense(5, activation="relu")]
        model = keras.Sequential([*features, _LAYERS.Dense(4, activation=activation, name="head"), *last])
        self.assertIs(class_head(model), model.get_layer("head"))

    def test_classes_made_otherwise_have_none(self):
        images = _LAYERS.Input((8, 8, 3))
        averaged = keras.Model(images, _LAYERS.GlobalAveragePooling2D()(_LAYERS.Conv2D(4, 1)(images)))
        flat = _LAYERS.Flatten()(images)
        summed = keras.Model(images, _LAYERS.Add()([_LAYERS.Dense(4)(flat), _LAYERS.Dense(4)(flat)]))
        nested = keras.Sequential([images, _LAYERS.Flatten(), keras.Sequential([_LAYERS.Dense(4)])])
        for model in (averaged, summed, nested):
            self.assertIsNone(class_head(model))


if __name__ == "__main__":
    absltest.main()
