"""Tests of profile, curve and schedule on a small network with dead, dormant and needed channels."""

import numpy as np
from absl.testing import absltest

from goodnet.data.image_set import ImageSet, from_arrays
from goodnet.models.channels.gates import expected_closed, gate_groups, rank_channels
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.pruning.curve import pruning_curve
from goodnet.pipeline.pruning.profile import profile_activations
from goodnet.pipeline.pruning.schedule import prune_on_schedule
from goodnet.pipeline.pruning.tail import tail_of, tuned_layers
from goodnet.pipeline.training.batches import Batches
from goodnet.pipeline.training.devices import select_devices
from goodnet.pipeline.training.loop import compile_classifier, train
from goodnet.pipeline.training.run_config import RunConfig
from goodnet.pipeline.training.tuning import TuningSettings

_CHANNELS = 12


def _quadrants(count: int, seed: int = 0) -> ImageSet:
    """Four classes: which quadrant of a noisy image is bright."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    images = rng.integers(0, 190, (count, 12, 12, 3))
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[row * 6 : row * 6 + 6, column * 6 : column * 6 + 6] += 60
    return from_arrays("quadrants", images.astype(np.uint8), labels)


def _network() -> keras.Model:
    """Two convolutions that both reach the output, as conv_3 and conv_4 do in DeepID."""
    keras.utils.set_random_seed(1)
    image = keras.Input((12, 12, 3))
    first = keras.layers.Conv2D(6, 3, activation="relu", name="stem")(image)
    first = keras.layers.MaxPooling2D(name="pool")(first)
    second = keras.layers.Conv2D(_CHANNELS, 2, activation="relu", name="upper")(first)
    third = keras.layers.Conv2D(8, 2, activation="relu", name="top")(second)
    left = keras.layers.Dense(16, name="left")(keras.layers.Flatten(name="flat_left")(second))
    right = keras.layers.Dense(16, name="right")(keras.layers.Flatten(name="flat_right")(third))
    both = keras.layers.Activation("relu", name="both")(keras.layers.Add(name="sum")([left, right]))
    return keras.Model(image, keras.layers.Dense(4, activation="softmax", name="classes")(both))


def _trained() -> keras.Model:
    model = _network()
    compile_classifier(model, keras.optimizers.Adam(0.01), logits=False)
    train(model, Batches(_quadrants(160), UNIT_SCALE, 16, seed=0), 6, title="test")
    return model


class PruningTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = _trained()
        cls.clean = _quadrants(90, seed=5)
        cls.network = ScaledNetwork(cls.model, UNIT_SCALE)
        cls.groups = gate_groups(cls.network.layer_graph, ["upper", "top"])
        cls.profile = profile_activations(cls.network, cls.groups, cls.clean)
        cls.ranks = {name: rank_channels(value) for name, value in cls.profile.mean_activation.items()}

    def test_the_profile_is_the_mean_activation_over_all_images(self):
        layer = self.model.get_layer("upper")
        activations = keras.Model(self.model.input, layer.output)(UNIT_SCALE.apply(self.clean.images()))
        np.testing.assert_allclose(
            self.profile.mean_activation["upper"], activations.numpy().mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-5
        )
        self.assertEqual(self.profile.images, 90)

    def test_the_curve_is_what_a_network_with_zeroed_kernels_gets(self):
        curve = pruning_curve(self.network, self.groups, self.ranks, self.clean, max_accuracy_loss=0.1)
        for point in curve.points[:: len(curve.points) // 4]:
            self.assertEqual(point.accuracy.count, self._correct_with_zeroed_kernels(point.closed))

    def _correct_with_zeroed_kernels(self, closed: dict[str, int]) -> int:
        pruned = keras.models.clone_model(self.model)
        pruned.set_weights(self.model.get_weights())
        for name, count in closed.items():
            channels = np.argsort(self.ranks[name])[:count]
            kernel, bias = pruned.get_layer(name).get_weights()
            kernel[..., channels] = 0
            bias[channels] = 0
            pruned.get_layer(name).set_weights([kernel, bias])
        answers = np.argmax(pruned(UNIT_SCALE.apply(self.clean.images())), axis=1)
        return int(np.sum(answers == self.clean.labels))

    def test_the_last_point_above_the_floor_is_chosen(self):
        curve = pruning_curve(self.network, self.groups, self.ranks, self.clean, max_accuracy_loss=0.03)
        self.assertEqual(curve.points[0].share, 0)
        self.assertAlmostEqual(curve.floor, curve.points[0].accuracy.value - 0.03)
        self.assertTrue(all(point.accuracy.value >= curve.floor for point in curve.points[: curve.chosen + 1]))
        self.assertLess(curve.chosen, len(curve.points) - 1)
        self.assertLess(curve.points[curve.chosen + 1].accuracy.value, curve.floor)

    def test_only_the_tail_is_run_again(self):
        tail = tail_of(self.network.layer_graph, self.groups)
        self.assertEqual(tail.feeds, ("upper",))
        self.assertNotIn("stem", tail.layers)
        self.assertNotIn("upper", tail.layers)
        self.assertIn("top", tail.layers)
        self.assertEqual(
            tuned_layers(self.network.layer_graph, self.groups),
            {"upper", "top", "flat_left", "flat_right", "left", "right", "sum", "both", "classes"},
        )

    def test_the_schedule_closes_what_it_asks_at_each_step_and_the_least_active_first(self):
        batches = Batches(self.clean, UNIT_SCALE, 16, seed=0)
        stem = self.model.get_layer("stem").get_weights()[0].copy()
        before = [weights.copy() for weights in self.model.get_weights()]
        settings = TuningSettings(3, 1e-3, tuned_layers(self.network.layer_graph, self.groups))
        run = RunConfig(select_devices("cpu").strategy, 0)
        pruned = prune_on_schedule(self.model, self.groups, self.ranks, 0.5, batches, settings, False, run)
        self.assertLen(pruned.trace, 18)
        for step in pruned.trace:
            self.assertAlmostEqual(step.reached["upper"] * 12, expected_closed(12, step.asked), places=4)
            self.assertAlmostEqual(step.reached["top"] * 8, expected_closed(8, step.asked), places=4)
        self.assertGreater(pruned.trace[3].asked, 0)
        self.assertEqual(pruned.trace[-1].reached, {"upper": 0.5, "top": 0.5})
        np.testing.assert_array_equal(
            np.flatnonzero(pruned.closed["upper"]), np.sort(np.argsort(self.ranks["upper"])[:6])
        )
        # The suspect is left alone, and so is what lies upstream of the gates.
        np.testing.assert_array_equal(pruned.model.get_layer("stem").get_weights()[0], stem)
        for left, right in zip(before, self.model.get_weights(), strict=True):
            np.testing.assert_array_equal(left, right)
        self.assertFalse(
            np.array_equal(
                pruned.model.get_layer("classes").get_weights()[0], self.model.get_layer("classes").get_weights()[0]
            )
        )


if __name__ == "__main__":
    absltest.main()
