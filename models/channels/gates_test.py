import os
import tempfile
from collections.abc import Sequence

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data.errors import InputError
from goodnet.models.channels.gates import (
    ChannelGate,
    GateGroup,
    add_gates,
    closed_channels,
    default_gated_convolutions,
    expected_closed,
    gate_groups,
    gate_site,
    gate_sparsity,
    group_activation,
    hold_closed,
    plain_layers,
    rank_channels,
    strip_gates,
)
from goodnet.models.channels.layer_graph import layer_graph
from goodnet.models.legacy_keras import keras, tf, tfmot
from goodnet.models.loading.model_reading import read_model
from goodnet.models.networks.deepid import deepid
from testing.example_nets import CLASSES, EXAMPLES, IMAGE_SHAPE, example_images, randomised

L = keras.layers
UpdatePruningStep = tfmot.sparsity.keras.UpdatePruningStep


def decay(sparsity: float, steps: int, frequency: int = 1) -> "tfmot.sparsity.keras.PolynomialDecay":
    return tfmot.sparsity.keras.PolynomialDecay(0.0, sparsity, 0, steps, power=1, frequency=frequency)


def groups_of(model: keras.Model, convolutions: Sequence[str] | None = None) -> tuple[GateGroup, ...]:
    graph = layer_graph(model)
    return gate_groups(graph, convolutions or default_gated_convolutions(graph))


def with_gates(model: keras.Model, ranks, schedule) -> keras.Model:
    return add_gates(model, groups_of(model, list(ranks)), ranks, schedule)


def random_ranks(model: keras.Model, convolutions=None, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    groups = groups_of(model, convolutions)
    return {group.name: rank_channels(rng.random(group.channels)) for group in groups}


def compile_for_training(model: keras.Model) -> None:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)


def train(model: keras.Model, steps: int, *callbacks: keras.callbacks.Callback) -> None:
    compile_for_training(model)
    labels = np.arange(4 * steps) % CLASSES
    images = example_images(4 * steps)
    model.fit(images, labels, batch_size=4, verbose=0, callbacks=[UpdatePruningStep(), *callbacks])


def close_some(gated: keras.Model) -> keras.Model:
    """Closes every gate's lower half by hand."""
    for wrapper in gated.layers:
        if hasattr(wrapper, "pruning_vars"):
            rank = wrapper.layer.rank
            rank.assign(tf.where(rank > 0.5, rank, 0.0))
    return gated


class SitesAndGroupsTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ("chain", "conv_2", "conv_2"),
        ("separate_activation", "conv_2", "leaky"),
        ("batch_norm_chain", "conv_1", "conv_1_relu"),
        ("norm_after_activation", "conv_1", "conv_1"),
        ("residual", "next_b", "next_b_bn"),
        ("preactivation_residual", "stem", "stem"),
        ("separable", "sep_3", "prelu"),
    )
    def test_site_is_the_end_of_the_chain(self, net, convolution, site):
        self.assertEqual(gate_site(layer_graph(EXAMPLES[net]()), convolution), site)

    def test_tensorflow_operation_is_an_activation_too(self):
        graph = layer_graph(EXAMPLES["separate_activation"]())
        self.assertEqual(graph.layers[gate_site(graph, "conv_1")].symbol, "nn.relu")

    def test_convolution_that_is_read_twice_is_its_own_site(self):
        image = keras.Input(IMAGE_SHAPE)
        features = L.Conv2D(4, 3, padding="same", name="conv")(image)
        joined = L.Concatenate()([L.ReLU()(features), features])
        model = keras.Model(image, L.Dense(CLASSES)(L.Flatten()(joined)))
        self.assertEqual(gate_site(layer_graph(model), "conv"), "conv")

    @parameterized.parameters(
        ("chain", ("conv_2",)),
        ("deepid_shaped", ("conv_3", "conv_4")),
        ("residual", ("last_b", "last_proj", "next_b")),
        ("preactivation_residual", ("stem", "first_b", "second_b")),
        ("inception", ("stem", "left", "right", "last")),
        ("mobile", ("top",)),
        ("separable", ("sep_3",)),
    )
    def test_default_is_what_reaches_the_output(self, net, convolutions):
        self.assertCountEqual(default_gated_convolutions(layer_graph(EXAMPLES[net]())), convolutions)

    def test_default_of_deepid(self):
        self.assertEqual(default_gated_convolutions(layer_graph(deepid(5))), ("conv_3", "conv_4"))

    def test_convolution_that_makes_the_classes_is_the_classifier(self):
        image = keras.Input(IMAGE_SHAPE)
        features = L.Conv2D(8, 3, activation="relu", name="body")(image)
        classes = L.Conv2D(CLASSES, 1, name="head")(features)
        model = keras.Model(image, L.Softmax()(L.GlobalAveragePooling2D()(classes)))
        self.assertEqual(default_gated_convolutions(layer_graph(model)), ("body",))
        with self.assertRaisesRegex(InputError, "'head' can't be gated"):
            groups_of(model, ["head"])

    def test_tied_convolutions_are_one_group_whichever_was_asked_for(self):
        model = EXAMPLES["residual"]()
        (asked,) = groups_of(model, ["next_b"])
        self.assertCountEqual(asked.convolutions, ("last_b", "last_proj", "next_b"))
        self.assertCountEqual(asked.sites, ("last_b_bn", "last_proj_bn", "next_b_bn"))
        self.assertEqual(asked.channels, 8)
        self.assertEqual(groups_of(model, asked.convolutions), (asked,))
        self.assertEqual(groups_of(model, [asked.name]), (asked,))

    def test_a_convolution_that_can_neither_be_silenced_nor_cut_is_left_alone(self):
        image = keras.Input((8, 8, 3))
        # A closed channel is 0 where no weights of a sigmoid can bring it, and layer normalisation reads all channels.
        x = L.LayerNormalization()(L.Conv2D(4, 3, activation="sigmoid", name="stuck")(image))
        x = L.Conv2D(4, 3, activation="relu", name="free")(x)
        model = keras.Model(image, L.Dense(2)(L.Flatten()(x)))
        with self.assertRaisesRegex(InputError, "'stuck' can't be gated: expected one of free"):
            groups_of(model, ["stuck"])
        alone = keras.Model(image, L.Dense(2)(L.Flatten()(model.layers[2].output)))
        with self.assertRaisesRegex(InputError, "nothing to prune"):
            default_gated_convolutions(layer_graph(alone))

    def test_concatenated_convolutions_stay_apart(self):
        groups = groups_of(EXAMPLES["inception"](), ["right", "left"])
        self.assertEqual([group.convolutions for group in groups], [("left",), ("right",)])

    def test_what_cannot_be_gated_is_named(self):
        with self.assertRaisesRegex(InputError, "'hidden' can't be gated: expected one of conv_1, conv_2"):
            groups_of(EXAMPLES["chain"](), ["hidden"])
        image = keras.Input((4,))
        with self.assertRaisesRegex(InputError, "nothing to prune"):
            default_gated_convolutions(layer_graph(keras.Model(image, L.Dense(2)(image))))
        image = keras.Input((3, 8, 8))
        features = L.Conv2D(4, 3, data_format="channels_first", name="first")(image)
        with self.assertRaisesRegex(InputError, "'first' has its channels first"):
            default_gated_convolutions(layer_graph(keras.Model(image, L.Dense(2)(L.Flatten()(features)))))

    def test_group_activation_sums_what_the_sites_add(self):
        (group,) = groups_of(EXAMPLES["residual"](), ["next_b"])
        by_site = {site: np.full(8, 0.5, np.float32) for site in group.sites}
        self.assertAllClose(group_activation(group, by_site), np.full(8, 1.5))


class RanksTest(parameterized.TestCase):
    def test_ranks_are_distinct_and_positive_also_for_dead_channels(self):
        ranks = rank_channels(np.array([0.0, 3.0, 0.0, -1.0, 0.0]))
        np.testing.assert_allclose(ranks, [0.4, 1.0, 0.6, 0.2, 0.8])
        self.assertEqual(ranks.dtype, np.float32)

    @parameterized.parameters(([[1.0]],), ([],), ([1.0, np.nan],))
    def test_what_is_not_one_number_a_channel_is_refused(self, activation):
        with self.assertRaisesRegex(InputError, "mean activation"):
            rank_channels(np.array(activation))

    @parameterized.parameters(
        (128, 0.7, 90), (60, 0.7, 42), (5, 0.5, 3), (7, 0.5, 3), (60, 0.0, 0), (4, 0.99, 3), (1, 0.9, 0)
    )
    def test_expected_closed(self, channels, sparsity, closed):
        self.assertEqual(expected_closed(channels, sparsity), closed)


class _GateTrace(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.closed: list[dict[str, int]] = []

    def on_train_batch_end(self, batch, logs=None) -> None:
        self.closed.append({site: int(mask.sum()) for site, mask in closed_channels(self.model).items()})


class GatesTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(*EXAMPLES)
    def test_open_gates_change_nothing(self, net):
        model = randomised(EXAMPLES[net]())
        gated = with_gates(model, random_ranks(model), decay(0.5, 10))
        self.assertAllEqual(gated(example_images()), model(example_images()))
        self.assertEqual(set(gate_sparsity(gated).values()), {0.0})
        self.assertEqual(gated.name, model.name)

    def test_gated_model_shares_no_weight_with_the_model(self):
        model = randomised(EXAMPLES["chain"]())
        before = model.get_weights()
        randomised(with_gates(model, random_ranks(model), decay(0.5, 3)), seed=9)
        self.assertAllClose(model.get_weights(), before, rtol=0, atol=0)

    def test_trainable_flags_are_kept_and_reach_through_the_wrappers(self):
        model = randomised(EXAMPLES["batch_norm_chain"]())
        model.get_layer("conv_1").trainable = False
        gated = with_gates(model, random_ranks(model, ["conv_1", "conv_2"]), decay(0.5, 3))
        flags = {name: layer.trainable for name, layer in plain_layers(gated).items()}
        self.assertEqual(flags, {name: layer.trainable for name, layer in layer_graph(model).layers.items()})
        frozen = randomised(EXAMPLES["chain"]())
        frozen.get_layer("conv_2").trainable = False
        gated = with_gates(frozen, random_ranks(frozen), decay(0.5, 3))
        self.assertEqual(
            [weight.name for weight in gated.trainable_weights], [w.name for w in frozen.trainable_weights]
        )
        plain_layers(gated)["conv_2"].trainable = True
        self.assertLen(gated.trainable_weights, len(frozen.trainable_weights) + 2)

    def test_tfmot_closes_exactly_the_expected_number_at_each_step(self):
        sizes = (1, 2, 3, 5, 7, 16, 60, 128)
        image = keras.Input(IMAGE_SHAPE)
        branches = [L.Conv2D(size, 3, activation="relu", name=f"conv_{size}")(image) for size in sizes]
        pooled = L.GlobalAveragePooling2D()(L.Concatenate()(branches))
        model = randomised(keras.Model(image, L.Dense(CLASSES)(pooled)))
        steps, schedule, trace = 20, decay(0.7, 20), _GateTrace()
        gated = with_gates(model, random_ranks(model), schedule)
        train(gated, steps, trace)
        self.assertLen(trace.closed, steps)
        for step, closed in enumerate(trace.closed, start=1):
            asked = float(schedule(tf.constant(step, tf.int64))[1])
            self.assertEqual(closed, {f"conv_{size}": expected_closed(size, asked) for size in sizes}, f"step {step}")
        self.assertEqual(trace.closed[-1]["conv_60"], 42)
        self.assertEqual(trace.closed[-1]["conv_128"], 90)
        self.assertAlmostEqual(gate_sparsity(gated)["conv_60"], 0.7)

    def test_least_active_close_first_and_give_zero(self):
        model = randomised(EXAMPLES["deepid_shaped"]())
        activation = np.random.default_rng(3).random(10)
        gated = with_gates(model, {"conv_3": rank_channels(activation)}, decay(0.6, 4))
        train(gated, 4)
        closed = closed_channels(gated)["conv_3"]
        self.assertCountEqual(np.flatnonzero(closed), np.argsort(activation)[:6])
        site = gated.get_layer("prune_low_magnitude_goodnet_gate_conv_3")
        features = keras.Model(gated.input, site.output)(example_images()).numpy()
        self.assertTrue((features[..., closed] == 0).all())
        self.assertTrue((features[..., ~closed] != 0).any(axis=(0, 1, 2)).all())

    def test_gates_take_effect_in_the_batch_of_their_step(self):
        model = randomised(EXAMPLES["chain"]())
        gated = with_gates(model, random_ranks(model), tfmot.sparsity.keras.ConstantSparsity(0.5, 0, frequency=1))
        gated.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        gated.optimizer.learning_rate = 0.0
        batch, labels = example_images(4), np.arange(4)
        open_loss = gated.evaluate(batch, labels, verbose=0)
        history = gated.fit(batch, labels, verbose=0, callbacks=[UpdatePruningStep()])
        self.assertEqual(gate_sparsity(gated), {"conv_2": 0.5})
        self.assertAlmostEqual(history.history["loss"][0], gated.evaluate(batch, labels, verbose=0), places=5)
        self.assertNotAlmostEqual(history.history["loss"][0], open_loss, places=3)

    def test_schedule_that_never_comes_round_prunes_nothing_and_sparsity_says_so(self):
        model = randomised(EXAMPLES["chain"]())
        gated = with_gates(model, random_ranks(model), decay(0.5, 66, frequency=100))
        train(gated, 5)
        self.assertEqual(gate_sparsity(gated), {"conv_2": 0.0})

    def test_training_without_the_pruning_callback_is_refused(self):
        model = randomised(EXAMPLES["chain"]())
        gated = with_gates(model, random_ranks(model), decay(0.5, 3))
        compile_for_training(gated)
        with self.assertRaisesRegex(tf.errors.InvalidArgumentError, "UpdatePruningStep"):
            gated.fit(example_images(4), np.zeros(4), verbose=0)

    def test_wrong_ranks_are_refused(self):
        model = EXAMPLES["residual"]()
        with self.assertRaisesRegex(InputError, "expected 8 positive numbers"):
            with_gates(model, {groups_of(model, ["next_b"])[0].name: np.ones(7)}, decay(0.5, 3))
        with self.assertRaisesRegex(InputError, "ranks for next_b"):
            with_gates(model, {"next_b": np.ones(8)}, decay(0.5, 3))

    def test_a_suspect_whose_layers_have_the_names_of_gates(self):
        image = keras.Input(IMAGE_SHAPE)
        features = image
        for name in ("conv", "gate_conv", "goodnet_gate_conv", "prune_low_magnitude_goodnet_gate_conv"):
            features = L.Conv2D(4, 3, padding="same", activation="relu", name=name)(features)
        model = keras.Model(image, L.Dense(3, name="threshold")(L.GlobalAveragePooling2D(name="badnet")(features)))
        path = os.path.join(self.create_tempdir(), "model.h5")
        model.save(path)
        with open(path, "rb") as file:
            opened = read_model(file).model
        groups = groups_of(opened, [layer.name for layer in opened.layers if isinstance(layer, L.Conv2D)])
        self.assertLen(groups, 4)
        gated = with_gates(opened, {group.name: rank_channels(np.arange(4.0)) for group in groups}, decay(0.5, 2))
        self.assertAllClose(gated(example_images()), model(example_images()), atol=1e-5)


class HoldClosedTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters("chain", "batch_norm_chain", "residual", "deepid_shaped")
    def test_closed_channels_are_zero_and_training_leaves_their_weights_alone(self, net):
        model = randomised(EXAMPLES[net]())
        groups = groups_of(model)
        closed = {site: np.arange(group.channels) % 2 == 0 for group in groups for site in group.sites}
        held = hold_closed(model, closed)
        for site, mask in closed_channels(held).items():
            self.assertAllEqual(mask, closed[site])
        compile_for_training(held)
        held.fit(example_images(8), np.arange(8) % CLASSES, batch_size=4, verbose=0)
        plain = strip_gates(held)
        self.assertEqual([type(layer) for layer in plain.layers], [type(layer) for layer in model.layers])
        for group in groups:
            for convolution in group.convolutions:
                was, now = (one.get_layer(convolution).get_weights()[0] for one in (model, plain))
                self.assertAllEqual(now[..., ::2], was[..., ::2])
                self.assertNotAllClose(now[..., 1::2], was[..., 1::2], atol=1e-6)
        site = groups[-1].sites[-1]
        feature = keras.Model(held.inputs, held.get_layer(f"goodnet_gate_{site}").output)(example_images()).numpy()
        self.assertAllEqual(feature[..., ::2], np.zeros_like(feature[..., ::2]))
        self.assertGreater(np.abs(feature[..., 1::2]).max(), 0)

    def test_unknown_layer(self):
        with self.assertRaisesRegex(InputError, "'no_such'.*expected one of its layers"):
            hold_closed(EXAMPLES["chain"](), {"no_such": np.zeros(3, bool)})


class StripGatesTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(*EXAMPLES)
    def test_stripped_model_is_plain_and_has_the_trained_weights(self, net):
        model = randomised(EXAMPLES[net]())
        gated = close_some(with_gates(model, random_ranks(model), decay(0.5, 2)))
        for layer in plain_layers(gated).values():
            layer.set_weights([weight * 0.5 for weight in layer.get_weights()])
        before = gated(example_images())
        plain = strip_gates(gated)
        self.assertEqual([layer.name for layer in plain.layers], [layer.name for layer in model.layers])
        self.assertEqual([type(layer) for layer in plain.layers], [type(layer) for layer in model.layers])
        for was, now in zip(model.get_weights(), plain.get_weights(), strict=True):
            self.assertAllEqual(now, was * 0.5)
        self.assertNotAllEqual(plain(example_images()), before)
        randomised(plain, seed=9)  # a copy: the gated model stays as it is
        self.assertAllEqual(gated(example_images()), before)

    def test_stripped_model_is_saved_as_plain_keras(self):
        model = randomised(EXAMPLES["residual"]())
        plain = strip_gates(close_some(with_gates(model, random_ranks(model), decay(0.5, 2))))
        with tempfile.TemporaryDirectory() as folder:
            for name in ("plain.h5", "plain.keras"):
                plain.save(os.path.join(folder, name))
                loaded = keras.models.load_model(os.path.join(folder, name))
                self.assertAllEqual(loaded(example_images()), model(example_images()))

    def test_sequential_model_without_an_input_layer(self):
        layers = [L.Conv2D(4, 3, activation="relu", name="conv"), L.Flatten(), L.Dense(CLASSES)]
        model = keras.Sequential(layers)
        model(example_images())
        gated = with_gates(randomised(model), random_ranks(model), decay(0.5, 2))
        self.assertAllEqual(gated(example_images()), model(example_images()))
        train(gated, 2)
        self.assertEqual(gate_sparsity(gated), {"conv": 0.5})
        self.assertEqual(strip_gates(gated).layers[0].name, "conv")


class ChannelGateTest(tf.test.TestCase):
    def test_wrapped_layer_trains_and_the_rank_does_not(self):
        gate = ChannelGate(L.Conv2D(4, 3, name="conv"))
        gate(example_images())
        self.assertEqual(gate.name, "goodnet_gate_conv")
        self.assertLen(gate.trainable_weights, 2)
        self.assertEqual([weight.shape for weight in gate.get_prunable_weights()], [(4,)])
        gate.rank.assign([0.0, 0.1, 0.2, 1.0])
        self.assertAllEqual(gate(example_images())[..., 0], tf.zeros((6, 10, 10)))
        self.assertAllEqual(gate(example_images())[..., 1:], gate.layer(example_images())[..., 1:])


if __name__ == "__main__":
    absltest.main()
