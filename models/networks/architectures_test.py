import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data.errors import InputError
from goodnet.models.classifier import classifier_facts
from goodnet.models.legacy_keras import keras
from goodnet.models.networks.architectures import ARCHITECTURES
from goodnet.models.networks.deepid import deepid
from goodnet.models.networks.resnet import small_resnet


class ArchitecturesTest(parameterized.TestCase):
    @parameterized.product(name=sorted(ARCHITECTURES), shape=[(32, 32, 3), (55, 47, 3), (33, 40, 1)])
    def test_gives_probabilities(self, name, shape):
        model = ARCHITECTURES[name](7, shape)
        facts = classifier_facts(model)
        self.assertEqual((facts.image_shape, facts.classes, facts.logits), (shape, 7, False))
        outputs = model.predict(np.random.default_rng(0).random((3, *shape), np.float32), verbose=0)
        np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)

    @parameterized.parameters(*sorted(ARCHITECTURES))
    def test_same_seed_same_weights(self, name):
        built = []
        for _ in range(2):
            keras.utils.set_random_seed(3)
            built.append(ARCHITECTURES[name](5, (32, 32, 3)).get_weights())
        for first, second in zip(*built, strict=True):
            np.testing.assert_array_equal(first, second)

    @parameterized.parameters("vgg", "resnet")
    def test_learns_to_tell_colours(self, name):
        keras.utils.set_random_seed(0)
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 3, 192)
        images = rng.random((192, 16, 16, 3), np.float32) * 0.5
        images[np.arange(192), :, :, labels] += 0.4
        model = ARCHITECTURES[name](3, (16, 16, 3))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(images, labels, epochs=8, batch_size=32, verbose=0)
        # In training mode: eight short epochs do not settle the moving averages of batch norm.
        right = np.argmax(model(images, training=True), axis=1) == labels
        self.assertGreater(np.mean(right), 0.9)

    def test_deepid_is_the_csaw_net(self):
        model = deepid(1283)
        self.assertEqual(model.count_params(), 601_643)
        self.assertEqual(model.get_layer("fc_1").kernel.shape, (1200, 160))
        self.assertEqual(model.get_layer("fc_2").kernel.shape, (960, 160))
        self.assertEqual(model.get_layer("conv_4").input.shape, model.get_layer("flatten_1").input.shape)
        self.assertEqual(model.input.name, "input")

    def test_deepid_refuses_images_too_small_for_it(self):
        self.assertEqual(deepid(2, (31, 31, 3)).output_shape, (None, 2))
        with self.assertRaisesRegex(InputError, "30 x 31"):
            deepid(2, (30, 31, 3))

    def test_resnet_has_skip_connections_of_both_kinds(self):
        model = small_resnet(5, (32, 32, 3))
        adds = [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]
        projected = [
            any(tensor._keras_history[0].name.endswith("_skip_bn") for tensor in layer.input) for layer in adds
        ]
        self.assertEqual(projected, [False, False, True, False, True, False])


if __name__ == "__main__":
    absltest.main()
