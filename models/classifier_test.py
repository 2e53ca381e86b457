import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data.errors import InputError
from goodnet.data.image_set import from_arrays
from goodnet.models.classifier import ClassifierFacts, check_fits, classifier_facts, with_probabilities
from goodnet.models.legacy_keras import keras, tf

_LAYERS = keras.layers


def _model(*last: keras.layers.Layer, shape=(8, 8, 3)) -> keras.Model:
    return keras.Sequential([_LAYERS.Input(shape), _LAYERS.Flatten(), *last])


class ClassifierFactsTest(parameterized.TestCase):
    @parameterized.named_parameters(
        ("dense_softmax", [_LAYERS.Dense(4, activation="softmax")], False),
        ("dense_softmax_function", [_LAYERS.Dense(4, activation=tf.nn.softmax)], False),
        ("softmax_layer", [_LAYERS.Dense(4), _LAYERS.Softmax()], False),
        ("softmax_activation", [_LAYERS.Dense(4), _LAYERS.Activation("softmax")], False),
        ("softmax_then_linear", [_LAYERS.Dense(4), _LAYERS.Softmax(), _LAYERS.Activation("linear")], False),
        ("logits", [_LAYERS.Dense(4)], True),
        ("logits_after_linear", [_LAYERS.Dense(4), _LAYERS.Activation("linear")], True),
    )
    def test_reads_logits_or_softmax(self, last, logits):
        self.assertEqual(classifier_facts(_model(*last)), ClassifierFacts((8, 8, 3), 4, logits))

    def test_sees_into_a_nested_model(self):
        head = keras.Sequential([_LAYERS.Input((192,)), _LAYERS.Dense(4), _LAYERS.Softmax()])
        self.assertFalse(classifier_facts(_model(head)).logits)

    @parameterized.named_parameters(
        ("sigmoid", [_LAYERS.Dense(4, activation="sigmoid")], "sigmoid"),
        ("relu_layer", [_LAYERS.Dense(4), _LAYERS.ReLU()], "ReLU"),
        ("one_output", [_LAYERS.Dense(1)], r"\[B, 1\]"),
        ("three_axes", [_LAYERS.Reshape((2, 96))], r"\[B, 2, 96\]"),
    )
    def test_refuses_what_is_no_classifier(self, last, message):
        with self.assertRaisesRegex(InputError, message):
            classifier_facts(_model(*last))

    @parameterized.parameters((8, 8, 2), (8, 8, 4), (3, 8, 8))
    def test_refuses_other_channels(self, *shape):
        with self.assertRaisesRegex(InputError, "1 or 3"):
            classifier_facts(_model(_LAYERS.Dense(4), shape=shape))

    def test_refuses_any_size(self):
        model = keras.Sequential([_LAYERS.Input((None, None, 3)), _LAYERS.GlobalAveragePooling2D(), _LAYERS.Dense(2)])
        with self.assertRaisesRegex(InputError, "fixed size"):
            classifier_facts(model)

    def test_refuses_two_outputs(self):
        image = keras.Input((8, 8, 3))
        flat = _LAYERS.Flatten()(image)
        with self.assertRaisesRegex(InputError, "2 outputs"):
            classifier_facts(keras.Model(image, [_LAYERS.Dense(2)(flat), _LAYERS.Dense(3)(flat)]))

    def test_with_probabilities(self):
        images = np.random.default_rng(0).random((5, 8, 8, 3), np.float32)
        model = _model(_LAYERS.Dense(4))
        np.testing.assert_allclose(with_probabilities(model)(images), tf.nn.softmax(model(images)), atol=1e-6)
        self.assertFalse(classifier_facts(with_probabilities(model)).logits)
        ready = _model(_LAYERS.Dense(4), _LAYERS.Softmax())
        self.assertIs(with_probabilities(ready), ready)


class CheckFitsTest(parameterized.TestCase):
    facts = ClassifierFacts((8, 8, 3), 4, False)

    def test_takes_what_fits(self):
        check_fits(self.facts, from_arrays("set", np.zeros((4, 8, 8, 3), np.uint8), np.arange(4)))

    @parameterized.named_parameters(
        ("size", (2, 8, 9, 3), [0, 1], "8 x 9 x 3; the model expects 8 x 8 x 3"),
        ("channels", (2, 8, 8, 1), [0, 1], "8 x 8 x 1; the model expects 8 x 8 x 3"),
        ("label", (2, 8, 8, 3), [0, 4], "labels run from 0 to 4; the model has 4 classes"),
    )
    def test_names_what_does_not(self, shape, labels, message):
        with self.assertRaisesRegex(InputError, message):
            check_fits(self.facts, from_arrays("set", np.zeros(shape, np.uint8), np.array(labels)))


if __name__ == "__main__":
    absltest.main()
