import os
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data.errors import InputError
from goodnet.models.channels.gates import (
    CONVOLUTIONS,
    add_gates,
    closed_channels,
    default_gated_convolutions,
    gate_groups,
    rank_channels,
    strip_gates,
)
from goodnet.models.channels.layer_graph import layer_graph
from goodnet.models.channels.removal import Removal, reduce_model, remove_channels
from goodnet.models.channels.removal_check import check_equal
from goodnet.models.legacy_keras import keras, tf, tfmot
from goodnet.models.networks.architectures import ARCHITECTURES
from testing.example_nets import CLASSES, EXAMPLES, IMAGE_SHAPE, example_images, norm_after_activation, randomised

L = keras.layers


def masked_outputs(model: keras.Model, closed: dict[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    """What the model gives when channels are multiplied by 0, by running its layers one by one."""
    graph = layer_graph(model)
    hooks = {site: lambda value, opened=~mask: value * tf.cast(opened, value.dtype) for site, mask in closed.items()}
    steps = graph.between(graph.inputs, graph.outputs)
    return graph.run({graph.inputs[0]: images}, steps, hooks)[graph.outputs[0]].numpy()


def convolutions(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers if type(layer) in CONVOLUTIONS]


def closed_at_random(model: keras.Model, share: float = 0.5, seed: int = 0) -> dict[str, np.ndarray]:
    """The same random channels at all sites of a group, for every group of the model."""
    rng = np.random.default_rng(seed)
    closed = {}
    for group in gate_groups(layer_graph(model), convolutions(model)):
        mask = rng.random(group.channels) < share
        mask[rng.integers(group.channels)] = False
        closed.update(dict.fromkeys(group.sites, mask))
    return closed


def mask(channels: int, *closed: int) -> np.ndarray:
    return np.isin(np.arange(channels), closed)


def kept_channels(removal: Removal) -> dict[str, list[int]]:
    kept: dict[str, list[int]] = {}
    for part in removal.report.kept:
        kept[part.site] = sorted([*kept.get(part.site, []), *part.channels])
    return kept


class RemovalTestCase(tf.test.TestCase, parameterized.TestCase):
    def assert_removed(self, model, closed, *, kept_sites=()):
        """Removes and checks against masks; returns the removal."""
        before = model.get_weights()
        removal = reduce_model(model, closed)
        images = example_images()
        self.assertAllClose(removal.model(images), masked_outputs(model, closed, images), rtol=1e-5, atol=1e-5)
        self.assertNotAllClose(removal.model(images), model(images), atol=1e-3)
        self.assertCountEqual({kept.site for kept in removal.report.kept}, kept_sites)
        self.assertAllClose(model.get_weights(), before, rtol=0, atol=0)
        return removal


class RemovalTest(RemovalTestCase):
    @parameterized.parameters(*(net for net in EXAMPLES if net != "preactivation_residual"))
    def test_every_closed_channel_goes(self, net):
        model = randomised(EXAMPLES[net]())
        closed = closed_at_random(model)
        removal = self.assert_removed(model, closed)
        graph = layer_graph(model)
        for site, mask_at_site in closed.items():
            self.assertEqual(removal.model.get_layer(site).output_shape[-1], (~mask_at_site).sum(), site)
        self.assertEqual([layer.name for layer in removal.model.layers], [layer.name for layer in model.layers])
        self.assertEqual([type(layer) for layer in removal.model.layers], [type(layer) for layer in model.layers])
        self.assertLess(removal.report.parameters_after, removal.report.parameters_before)
        self.assertEqual(removal.report.parameters_after, removal.model.count_params())
        self.assertLess(removal.report.largest_difference, 1e-5)
        for size in removal.report.convolutions:
            self.assertEqual(size.channels_before, graph.shape(size.name)[-1])
            self.assertEqual(size.channels_after, removal.model.get_layer(size.name).output_shape[-1])

    @parameterized.parameters(*EXAMPLES)
    def test_nothing_closed_is_an_exact_copy(self, net):
        model = randomised(EXAMPLES[net]())
        removal = reduce_model(model, dict.fromkeys([], np.zeros(0)))
        self.assertAllEqual(removal.model(example_images()), model(example_images()))
        self.assertEqual(removal.report.parameters_after, removal.report.parameters_before)
        self.assertEqual(removal.report.largest_difference, 0.0)

    def test_saved_file_shrinks_and_loads_as_plain_keras(self):
        model = randomised(EXAMPLES["residual"]())
        reduced = remove_channels(model, closed_at_random(model))
        with tempfile.TemporaryDirectory() as folder:
            for kind in ("h5", "keras"):
                big, small = (os.path.join(folder, f"{name}.{kind}") for name in ("big", "small"))
                model.save(big)
                reduced.save(small)
                self.assertLess(os.path.getsize(small), os.path.getsize(big))
                loaded = keras.models.load_model(small, compile=False)
                self.assertAllEqual(loaded(example_images()), reduced(example_images()))

    def test_deepid_shape_slices_both_readers_of_conv_3(self):
        model = randomised(EXAMPLES["deepid_shaped"]())
        removal = self.assert_removed(model, {"conv_3": mask(10, 0, 3, 9), "conv_4": mask(8, 7)})
        shapes = {layer.name: layer.get_weights()[0].shape for layer in removal.model.layers if layer.weights}
        self.assertEqual(shapes["conv_3"], (3, 3, 6, 7))
        self.assertEqual(shapes["conv_4"], (2, 2, 7, 7))
        self.assertEqual(shapes["fc_1"], (4 * 4 * 7, 7))
        self.assertEqual(shapes["fc_2"], (3 * 3 * 7, 7))

    def test_trainable_flags_and_dtypes_are_kept(self):
        model = randomised(EXAMPLES["batch_norm_chain"]())
        model.get_layer("conv_1").trainable = False
        reduced = remove_channels(model, closed_at_random(model))
        self.assertFalse(reduced.get_layer("conv_1").trainable)
        self.assertTrue(reduced.get_layer("conv_2").trainable)
        self.assertEqual({weight.dtype for weight in reduced.weights}, {tf.float32})

    @parameterized.parameters("deepid_shaped", "residual")
    def test_gated_pruned_stripped_reduced(self, net):
        model = randomised(EXAMPLES[net]())
        graph = layer_graph(model)
        groups = gate_groups(graph, default_gated_convolutions(graph))
        rng = np.random.default_rng(0)
        ranks = {group.name: rank_channels(rng.random(group.channels)) for group in groups}
        gated = add_gates(model, groups, ranks, tfmot.sparsity.keras.PolynomialDecay(0.0, 0.5, 0, 3, frequency=1))
        gated.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        labels = np.arange(12) % CLASSES
        update = tfmot.sparsity.keras.UpdatePruningStep()
        gated.fit(example_images(12), labels, batch_size=4, verbose=0, callbacks=[update])
        removal = reduce_model(strip_gates(gated), closed_channels(gated), example_images())
        self.assertAllClose(removal.model(example_images()), gated(example_images()), rtol=1e-5, atol=1e-5)
        self.assertEqual(removal.report.kept, ())
        for size in removal.report.convolutions:
            if size.name in {name for group in groups for name in group.convolutions}:
                self.assertEqual(size.channels_after, size.channels_before // 2)

    @parameterized.parameters(*ARCHITECTURES)
    def test_the_projects_own_networks(self, name):
        model = randomised(ARCHITECTURES[name](7, (36, 36, 3)))
        closed = closed_at_random(model, share=0.6)
        removal = reduce_model(model, closed)
        self.assertEqual(removal.report.kept, ())
        images = np.random.default_rng(0).random((4, 36, 36, 3), np.float32)
        self.assertAllClose(removal.model(images), masked_outputs(model, closed, images), rtol=1e-5, atol=1e-5)
        self.assertLess(removal.report.parameters_after, 0.6 * removal.report.parameters_before)


class ConstantsTest(RemovalTestCase):
    """A closed channel that a batch norm turns into another constant."""

    def test_constant_goes_into_the_bias(self):
        model = randomised(norm_after_activation())
        removal = self.assert_removed(model, {"conv_1": mask(6, 1, 2), "conv_2": mask(8, 0)})
        self.assertNotAllClose(removal.model.get_layer("conv_2").bias, model.get_layer("conv_2").bias[1:])

    def test_bias_is_made_where_there_was_none_but_only_if_it_is_needed(self):
        model = randomised(norm_after_activation(use_bias=False))
        removal = self.assert_removed(model, {"conv_1": mask(6, 1, 2)})
        self.assertTrue(removal.model.get_layer("conv_2").use_bias)
        self.assertFalse(removal.model.get_layer("logits").use_bias)
        plain = randomised(EXAMPLES["mobile"]())
        removal = self.assert_removed(plain, {"stem_relu": mask(6, 1), "project_bn": mask(6, 1)})
        self.assertFalse(removal.model.get_layer("expand").use_bias)

    def test_constant_that_meets_zero_padding_stays_as_zeros_where_it_was_closed(self):
        model = randomised(norm_after_activation(padding="same"))
        removal = self.assert_removed(model, {"conv_1": mask(6, 1, 2), "conv_2": mask(8, 0)}, kept_sites=["conv_1"])
        (kept,) = removal.report.kept
        self.assertEqual(kept.channels, (1, 2))
        self.assertIn("'conv_2' pads it with zeros", kept.reason)
        self.assertEqual(removal.model.get_layer("conv_1").filters, 6)
        self.assertEqual(removal.model.get_layer("conv_2").filters, 7)

    def test_preactivation_residual_keeps_what_padding_holds(self):
        model = randomised(EXAMPLES["preactivation_residual"]())
        closed = closed_at_random(model)
        self.assert_removed(model, closed, kept_sites=["stem", "first_b", "second_b"])
        for name in ("first_norm_a", "second_norm_a", "norm"):  # shifts below zero: the ReLU makes them zero
            gamma, beta, mean, variance = model.get_layer(name).get_weights()
            model.get_layer(name).set_weights([gamma, -np.abs(beta), np.abs(mean), variance])
        self.assert_removed(model, closed)

    def test_depthwise_bias_is_a_constant_behind_a_closed_channel(self):
        image = keras.Input(IMAGE_SHAPE)
        features = L.Conv2D(6, 3, activation="relu", name="conv")(image)
        features = L.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="softplus")(features)
        features = L.DepthwiseConv2D(3, padding="valid", name="second")(features)
        model = randomised(keras.Model(image, L.Dense(CLASSES, name="logits")(L.Flatten()(features))))
        removal = self.assert_removed(model, {"conv": mask(6, 0, 5)})
        self.assertEqual(removal.model.get_layer("second").output_shape[-1], 8)

    def test_activation_that_is_not_zero_at_zero(self):
        image = keras.Input(IMAGE_SHAPE)
        features = L.BatchNormalization()(L.Conv2D(6, 3, name="conv")(image))
        features = L.Activation("sigmoid")(features)
        features = L.Conv2D(4, 3, name="next")(features * 2.0)
        model = randomised(keras.Model(image, L.Dense(CLASSES, name="logits")(L.Flatten()(features))))
        self.assert_removed(model, {"conv": mask(6, 0, 5)})


class CommonLayersTest(RemovalTestCase):
    def test_hard_silu_as_it_is_opened_lets_channels_go(self):
        image = keras.Input((8, 8, 3))
        conv = L.Conv2D(5, 3, name="conv")(image)
        gate = L.ReLU(1.0)(L.Rescaling(1 / 6, 0.5)(conv))
        model = keras.Model(image, L.Dense(2)(L.Flatten()(L.Conv2D(4, 3)(L.Multiply()([conv, gate])))))
        reduced = remove_channels(model, {"conv": np.array([True, False, True, False, False])})
        self.assertEqual(reduced.get_layer("conv").filters, 3)

    def test_attention_keeps_channels_as_zeros(self):
        image = keras.Input((8, 8, 3))
        x = L.Reshape((4, 6))(L.Conv2D(6, 4, strides=4, name="patches")(image))
        x = L.Add()([L.MultiHeadAttention(2, 4)(x, x), x])
        model = keras.Model(image, L.Dense(2)(L.GlobalAveragePooling1D()(L.LayerNormalization()(x))))
        removal = reduce_model(model, {"patches": np.array([True, False, True, False, False, False])})
        self.assertEqual(removal.model.get_layer("patches").filters, 6)
        (kept,) = removal.report.kept
        self.assertEqual(kept.channels, (0, 2))


class TiesTest(RemovalTestCase):
    def test_part_of_a_tie_is_kept_as_zeros(self):
        model = randomised(EXAMPLES["residual"]())
        removal = self.assert_removed(model, {"next_b_bn": mask(8, 0, 4)}, kept_sites=["next_b_bn"])
        self.assertEqual(removal.report.kept[0].channels, (0, 4))
        self.assertIn("not constant", removal.report.kept[0].reason)
        self.assertEqual(removal.report.parameters_after, removal.report.parameters_before)
        gamma, beta, *_ = removal.model.get_layer("next_b_bn").get_weights()
        self.assertAllEqual(gamma[[0, 4]], [0, 0])
        self.assertAllEqual(beta[[0, 4]], [0, 0])

    def test_only_what_is_closed_in_the_whole_tie_goes(self):
        model = randomised(EXAMPLES["residual"]())
        tie = {"last_proj_bn": mask(8, 0, 1, 2), "last_b_bn": mask(8, 0, 1), "next_b_bn": mask(8, 0, 7)}
        removal = self.assert_removed(model, tie, kept_sites=tie)
        self.assertEqual(kept_channels(removal), {"last_proj_bn": [1, 2], "last_b_bn": [1], "next_b_bn": [7]})
        self.assertEqual(removal.model.get_layer("next_relu").output_shape[-1], 7)

    def test_channel_added_to_the_image_is_kept(self):
        image = keras.Input(IMAGE_SHAPE)
        features = L.Conv2D(3, 3, padding="same", activation="relu", name="conv")(image) + image
        model = randomised(keras.Model(image, L.Dense(CLASSES, name="logits")(L.Flatten()(features))))
        removal = self.assert_removed(model, {"conv": mask(3, 1)}, kept_sites=["conv"])
        self.assertIn("input", removal.report.kept[0].reason)

    def test_concatenation_added_to_one_convolution_splits_its_tie(self):
        image = keras.Input(IMAGE_SHAPE)
        left = L.Conv2D(3, 3, activation="relu", name="left")(image)
        right = L.Conv2D(4, 3, activation="relu", name="right")(image)
        whole = L.Conv2D(7, 3, activation="relu", name="whole")(image)
        features = L.Add()([L.Concatenate()([left, right]), whole])
        model = randomised(keras.Model(image, L.Dense(CLASSES, name="logits")(L.Flatten()(features))))
        closed = {"left": mask(3, 1), "right": mask(4, 0, 2), "whole": mask(7, 1, 3, 6)}
        removal = self.assert_removed(model, closed, kept_sites=["right", "whole"])
        self.assertEqual(kept_channels(removal), {"right": [2], "whole": [6]})
        self.assertEqual(removal.model.get_layer("whole").filters, 5)

    def test_a_layer_never_loses_its_last_channel(self):
        model = randomised(EXAMPLES["chain"]())
        removal = self.assert_removed(model, {"conv_1": mask(6, *range(6))}, kept_sites=["conv_1"])
        self.assertEqual(removal.report.kept[0].channels, (0,))
        self.assertEqual(removal.report.kept[0].reason, "it is the last channel left there")
        self.assertEqual(removal.model.get_layer("conv_1").filters, 1)

    def test_inner_tensor_that_something_else_reads_stays(self):
        image = keras.Input(IMAGE_SHAPE)
        features = L.Conv2D(4, 3, padding="same", name="conv")(image)
        joined = L.Concatenate()([L.BatchNormalization(name="norm")(features), L.MaxPooling2D(1)(features)])
        model = randomised(keras.Model(image, L.Dense(CLASSES, name="logits")(L.Flatten()(joined))))
        removal = self.assert_removed(model, {"norm": mask(4, 2)}, kept_sites=["norm"])
        self.assertEqual(removal.model.get_layer("conv").filters, 4)


class UnsupportedTest(RemovalTestCase):
    def test_unknown_layer_holds_its_channels(self):
        image = keras.Input(IMAGE_SHAPE)
        features = L.Conv2D(6, 3, activation="relu", name="conv")(image)
        features = L.LayerNormalization(name="layer_norm")(features)
        model = randomised(keras.Model(image, L.Dense(CLASSES, name="logits")(L.Flatten()(features))))
        removal = self.assert_removed(model, {"conv": mask(6, 1, 3)}, kept_sites=["conv"])
        self.assertEqual(removal.report.kept[0].reason, "layer 'layer_norm' (LayerNormalization) may mix channels")

    def test_grouped_convolution_holds_its_channels(self):
        image = keras.Input(IMAGE_SHAPE)
        features = L.Conv2D(6, 3, activation="relu", name="conv")(image)
        features = L.Conv2D(6, 3, groups=2, activation="relu", name="grouped")(features)
        model = randomised(keras.Model(image, L.Dense(CLASSES, name="logits")(L.Flatten()(features))))
        closed = {"conv": mask(6, 1, 3), "grouped": mask(6, 0)}
        self.assert_removed(model, closed, kept_sites=["conv", "grouped"])

    def test_what_can_neither_be_removed_nor_zeroed_is_refused(self):
        image = keras.Input(IMAGE_SHAPE)
        features = L.Conv2D(6, 3, activation="sigmoid", name="conv")(image)
        features = L.LayerNormalization()(features)
        model = randomised(keras.Model(image, L.Dense(CLASSES, name="logits")(L.Flatten()(features))))
        with self.assertRaisesRegex(InputError, "'conv' can neither be removed nor be made zero"):
            remove_channels(model, {"conv": mask(6, 1)})

    def test_channels_that_are_not_there_are_refused(self):
        model = EXAMPLES["chain"]()
        for closed in ({"conv_9": mask(6, 1)}, {"conv_1": mask(7, 1)}):
            with self.assertRaisesRegex(InputError, "closed channels of 'conv_.'"):
                remove_channels(model, closed)

    def test_channels_first_is_refused(self):
        image = keras.Input((3, 12, 12))
        features = L.Conv2D(4, 3, data_format="channels_first", name="first")(image)
        with self.assertRaisesRegex(InputError, "channels first"):
            remove_channels(keras.Model(image, L.Dense(2)(L.Flatten()(features))), {})


class CheckTest(RemovalTestCase):
    def test_a_wrong_weight_is_found_and_its_layer_named(self):
        model = randomised(EXAMPLES["residual"]())
        closed = closed_at_random(model)
        reduced = remove_channels(model, closed)
        self.assertLess(check_equal(model, closed, reduced, example_images()), 1e-5)
        layer = reduced.get_layer("last_a_bn")
        layer.beta.assign_add(1e-3 * tf.ones_like(layer.beta))
        with self.assertRaisesRegex(ArithmeticError, "'last_a_bn' by 0.00"):
            check_equal(model, closed, reduced)

    def test_forgotten_channel_is_found(self):
        model = randomised(EXAMPLES["chain"]())
        reduced = remove_channels(model, {"conv_1": mask(6, 3)})
        with self.assertRaisesRegex(ArithmeticError, "changes the output of layer 'conv_1'"):
            check_equal(model, {"conv_1": mask(6, 2)}, reduced)
        with self.assertRaisesRegex(ArithmeticError, "'conv_1' has 5 channels left, expected 4"):
            check_equal(model, {"conv_1": mask(6, 2, 3)}, reduced)

    def test_what_a_softmax_makes_of_rounded_logits_is_no_change(self):
        image = L.Input(IMAGE_SHAPE)
        features = L.GlobalAveragePooling2D(name="features")(L.Conv2D(6, 3, name="conv")(image))
        model = keras.Model(image, L.Dense(3, "softmax", name="output", kernel_initializer="zeros")(features))
        model.get_layer("conv").bias.assign(np.full(6, 1000.0))
        closed = {"conv": mask(6, 2)}
        reduced = remove_channels(model, closed)
        bias = reduced.get_layer("output").bias
        # As float32 rounds sums of a thousand.
        bias.assign([1e-4, 0, 0])
        self.assertGreater(check_equal(model, closed, reduced), 0)
        bias.assign([0.1, 0, 0])
        with self.assertRaisesRegex(ArithmeticError, "'output' by"):
            check_equal(model, closed, reduced)

    def test_nan_does_not_pass(self):
        model = randomised(EXAMPLES["chain"]())
        with self.assertRaises(InputError):
            remove_channels(model, {"conv_1": mask(6, 2)}, np.full((1, *IMAGE_SHAPE), np.nan, np.float32))


class RandomGraphTest(tf.test.TestCase):
    def test_outputs_agree_for_any_graph_and_any_closed_channels(self):
        removed = kept = 0
        for seed in range(32):
            rng = np.random.default_rng(seed)
            model = randomised(_random_model(rng), seed)
            closed = closed_at_random(model, share=rng.choice([0.2, 0.5, 0.8]), seed=seed)
            if seed % 2:  # regardless of ties, and at sites that no gate would have
                closed |= {
                    layer.name: rng.random(layer.output_shape[-1]) < 0.4
                    for layer in model.layers
                    if isinstance(layer, (L.Conv2D, L.BatchNormalization, L.Add)) and rng.random() < 0.4
                }
            with self.subTest(seed=seed):
                try:
                    removal = reduce_model(model, closed)
                except InputError as error:  # an Add has no weights that could make its output zero
                    self.assertRegex(str(error), "neither be removed nor be made zero")
                    continue
                images = example_images(seed=seed)
                expected = masked_outputs(model, closed, images)
                scale = max(1.0, np.abs(expected).max())
                self.assertAllClose(removal.model(images) / scale, expected / scale, rtol=0, atol=1e-5)
                staying = sum(len(part.channels) for part in removal.report.kept)
                removed += sum(int(mask.sum()) for mask in closed.values()) - staying
                kept += staying
        self.assertGreater(removed, 100)
        self.assertGreater(kept, 20)


def _random_model(rng: np.random.Generator) -> keras.Model:
    """Grows a graph from the image by random layers that read random tensors of those there."""
    image = keras.Input(IMAGE_SHAPE)
    tensors = [L.Conv2D(6, 3, padding="same", activation="relu")(image)]
    for _ in range(rng.integers(6, 14)):
        source = tensors[rng.integers(len(tensors))]
        tensors.append(_random_layer(rng, source, tensors))
    features = [
        L.GlobalAveragePooling2D()(tensor) if rng.random() < 0.5 else L.Flatten()(tensor) for tensor in tensors[-3:]
    ]
    return keras.Model(image, L.Dense(CLASSES)(L.Concatenate()(features)))


def _random_layer(rng: np.random.Generator, source: tf.Tensor, tensors: list[tf.Tensor]) -> tf.Tensor:
    padding, use_bias = rng.choice(["same", "valid"]), bool(rng.random() < 0.6)
    if min(source.shape[1:3]) < 4:
        padding = "same"
    activation = rng.choice(["relu", "linear", "tanh", "elu"])
    alike = [tensor for tensor in tensors if tensor.shape[1:] == source.shape[1:]]
    partner = alike[rng.integers(len(alike))]
    beside = [tensor for tensor in tensors if tensor.shape[1:3] == source.shape[1:3]]
    kernel = int(rng.choice([1, 3]))
    settings = {"padding": padding, "use_bias": use_bias, "activation": activation}
    choices = [
        lambda: L.Conv2D(rng.integers(3, 8), kernel, **settings)(source),
        lambda: L.Conv2D(source.shape[-1], 3, **(settings | {"padding": "same"}))(source) + source,
        lambda: L.SeparableConv2D(rng.integers(3, 8), kernel, depth_multiplier=2, **settings)(source),
        lambda: L.DepthwiseConv2D(kernel, padding=padding, depth_multiplier=1 + use_bias, activation=activation)(
            source
        ),
        lambda: L.BatchNormalization(scale=use_bias, center=activation != "linear")(source),
        lambda: L.Activation(activation)(source),
        lambda: L.PReLU(shared_axes=[1, 2] if use_bias else None)(source),
        lambda: L.Add()([source, partner]),
        lambda: L.Multiply()([source, partner]),
        lambda: L.Maximum()([source, partner]),
        lambda: L.Concatenate()([source, beside[rng.integers(len(beside))]]),
        lambda: L.MaxPooling2D(2, strides=1, padding=padding)(source),
        lambda: L.AveragePooling2D(3, strides=1, padding="same")(source),
        lambda: L.ZeroPadding2D(1)(source),
    ]
    return choices[rng.integers(len(choices))]()


if __name__ == "__main__":
    absltest.main()
