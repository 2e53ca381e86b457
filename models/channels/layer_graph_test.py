import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.models.channels.layer_graph import layer_graph
from goodnet.models.legacy_keras import keras, tf

layers = keras.layers


def two_branches() -> keras.Model:
    image = keras.Input((8, 8, 3), name="image")
    stem = layers.Conv2D(4, 3, padding="same", activation="relu", name="stem")(image)
    left = layers.Conv2D(4, 3, padding="same", name="left")(stem)
    left = layers.BatchNormalization(name="left_norm")(left)
    joined = layers.Add(name="joined")([left, stem])
    wide = layers.Concatenate(name="wide")([joined, stem])
    shifted = tf.math.add(tf.math.multiply(wide, 2.0), y=wide)
    pooled = layers.GlobalAveragePooling2D(name="pooled")(shifted)
    dropped = layers.Dropout(0.5, name="dropped")(pooled)
    return keras.Model(image, layers.Dense(5, activation="softmax", name="scores")(dropped))


def images(count: int = 6, shape: tuple[int, ...] = (8, 8, 3)) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32)


class LayerGraphTest(tf.test.TestCase):
    def test_links_follow_the_calls(self):
        graph = layer_graph(two_branches())
        self.assertEqual(graph.inputs, ("image",))
        self.assertEqual(graph.outputs, ("scores",))
        self.assertEqual(graph.predecessors["joined"], ("left_norm", "stem"))
        self.assertEqual(set(graph.successors["stem"]), {"left", "joined", "wide"})
        position = {name: index for index, name in enumerate(graph.layers)}
        for name, sources in graph.predecessors.items():
            self.assertTrue(all(position[source] < position[name] for source in sources), name)
        self.assertEqual(graph.descendants(["pooled"]), ("dropped", "scores"))

    def test_sequential_model_shows_its_hidden_input(self):
        model = keras.Sequential(
            [layers.Input((8, 8, 3)), layers.Conv2D(2, 3, name="conv"), layers.Flatten(name="flat")]
        )
        graph = layer_graph(model)
        self.assertEqual(list(graph.layers)[1:], ["conv", "flat"])
        self.assertEqual(graph.predecessors["conv"], graph.inputs)

    def test_deferred_sequential_model_once_built(self):
        model = keras.Sequential([layers.Flatten(name="flat"), layers.Dense(2, name="scores")])
        with self.assertRaisesRegex(InputError, "not built"):
            layer_graph(model)
        model(images())
        self.assertEqual(layer_graph(model).outputs, ("scores",))

    def test_same_tensor_read_twice(self):
        image = keras.Input((4,), name="image")
        model = keras.Model(image, layers.Add(name="double")([image, image]))
        self.assertEqual(layer_graph(model).predecessors["double"], ("image", "image"))
        self.assertAllClose(
            layer_graph(model).run({"image": tf.ones((1, 4))}, ["double"])["double"], np.full((1, 4), 2.0)
        )

    def test_shared_layer_is_refused_but_not_one_that_another_model_uses_too(self):
        image = keras.Input((4,))
        dense = layers.Dense(4, name="twice")
        with self.assertRaisesRegex(InputError, "'twice' is used more than once"):
            layer_graph(keras.Model(image, dense(dense(image))))
        elsewhere = keras.Model(image, dense(image))
        self.assertIn("twice", layer_graph(elsewhere).layers)

    def test_nested_model_and_subclassed_model_are_refused(self):
        inner = keras.Sequential([layers.Input((4,)), layers.Dense(4)], name="inner")
        image = keras.Input((4,))
        with self.assertRaisesRegex(InputError, "'inner' is a model inside the model"):
            layer_graph(keras.Model(image, inner(image)))

        class Subclassed(keras.Model):
            def call(self, inputs):
                return inputs

        with self.assertRaisesRegex(InputError, "subclassed"):
            layer_graph(Subclassed())

    def test_layer_with_several_outputs_is_refused(self):
        image = keras.Input((4,))
        left, right = tf.split(image, 2, axis=-1)
        with self.assertRaisesRegex(InputError, "several outputs"):
            layer_graph(keras.Model(image, layers.Add()([left, right])))


class RunLayersTest(tf.test.TestCase):
    def test_whole_model_gives_the_models_own_output(self):
        model, batch = two_branches(), images()
        graph = layer_graph(model)
        values = layer_graph(model).run({"image": batch}, graph.between(["image"], ["scores"]))
        self.assertAllEqual(values["scores"], model(batch, training=False))

    def test_inference_mode_inside_a_function_too(self):
        model, batch = two_branches(), images()
        graph = layer_graph(model)
        steps = graph.between(["image"], ["scores"])
        run = tf.function(lambda batch: graph.run({"image": batch}, steps)["scores"])
        self.assertAllClose(run(batch), model(batch, training=False), atol=1e-6)
        self.assertAllEqual(run(batch), run(batch))

    def test_tail_from_cached_features(self):
        model, batch = two_branches(), images()
        graph = layer_graph(model)
        features = keras.Model(model.input, [model.get_layer("joined").output, model.get_layer("stem").output])(batch)
        feeds = dict(zip(["joined", "stem"], features, strict=True))
        tail = graph.between(feeds, ["scores"])
        self.assertNotIn("left", tail)
        self.assertAllEqual(layer_graph(model).run(feeds, tail)["scores"], model(batch, training=False))

    def test_hook_is_seen_by_every_reader_whether_fed_or_run(self):
        model, batch = two_branches(), images()
        graph = layer_graph(model)
        mask = tf.constant([1.0, 0.0, 1.0, 0.0])
        masked = keras.models.clone_model(model)
        masked.set_weights(model.get_weights())
        kernel, bias = masked.get_layer("stem").get_weights()
        masked.get_layer("stem").set_weights([kernel * mask, bias * mask])  # ReLU: 0 stays 0
        hooks = {"stem": lambda value: value * mask}
        run = graph.run({"image": batch}, graph.between(["image"], ["scores"]), hooks)
        stem = keras.Model(model.input, model.get_layer("stem").output)(batch)
        fed = graph.run({"stem": stem}, graph.between(["stem"], ["scores"]), hooks)
        self.assertAllClose(run["scores"], masked(batch), atol=1e-6)
        self.assertAllClose(fed["scores"], masked(batch), atol=1e-6)

    def test_missing_values_are_named(self):
        model = two_branches()
        with self.assertRaisesRegex(InputError, "'image'"):
            layer_graph(model).between(["left"], ["scores"])
        with self.assertRaisesRegex(InputError, "'left_norm'.*'left'"):
            layer_graph(model).run({"stem": tf.zeros((1, 8, 8, 4))}, ["left_norm"])


if __name__ == "__main__":
    absltest.main()
