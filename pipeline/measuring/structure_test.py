from absl.testing import absltest

from goodnet.models.legacy_keras import keras
from goodnet.pipeline.measuring.structure import compare_structure


def _network(filters: int, extra: bool = False) -> keras.Model:
    image = keras.Input((8, 8, 3), name="input")
    features = keras.layers.Conv2D(filters, 3, name="conv")(image)
    if extra:
        features = keras.layers.ReLU(name="relu")(features)
    features = keras.layers.Flatten(name="flatten")(features)
    return keras.Model(image, keras.layers.Dense(5, name="output")(features))


class StructureTest(absltest.TestCase):
    def test_layers_beside_each_other(self):
        structure = compare_structure(_network(8), _network(3))
        rows = {row.name: row for row in structure.rows}
        self.assertEqual(list(rows), ["input", "conv", "flatten", "output"])
        self.assertEqual(rows["conv"].before.output_shape, (6, 6, 8))
        self.assertEqual((rows["conv"].before.channels, rows["conv"].after.channels), (8, 3))
        self.assertEqual(rows["conv"].after.parameters, 3 * 3 * 3 * 3 + 3)
        self.assertEqual(rows["input"].before.output_shape, (8, 8, 3))
        self.assertFalse(rows["input"].changed)
        self.assertTrue(rows["conv"].changed)
        self.assertEqual(rows["output"].after.kind, "Dense")
        self.assertEqual(structure.parameters_before, 8 * 28 + 5 * (36 * 8 + 1))
        self.assertEqual(structure.parameters_after, 3 * 28 + 5 * (36 * 3 + 1))

    def test_whose_weights_are_the_same(self):
        before = _network(4)
        after = keras.models.clone_model(before)
        after.set_weights(before.get_weights())
        after.get_layer("output").bias.assign_add([0, 0, 0, 0, 1e-6])
        structure = compare_structure(before, after)
        self.assertEqual(structure.parameters_kept, 4 * 28)
        rows = {row.name: row for row in structure.rows}
        self.assertEqual([rows[name].same_weights for name in ("input", "conv", "output")], [None, True, False])
        self.assertEqual([rows[name].changed for name in ("input", "conv", "output")], [False, False, True])

    def test_a_layer_that_only_one_network_has(self):
        structure = compare_structure(_network(4), _network(4, extra=True))
        row = structure.rows[-1]
        self.assertEqual((row.name, row.before, row.after.channels), ("relu", None, 4))

    def test_a_network_inside_a_network_and_several_outputs(self):
        inner = _network(4)
        image = keras.Input((8, 8, 3))
        outer = keras.Model(image, inner(image))
        self.assertEqual(compare_structure(outer, outer).rows[1].before.output_shape, (5,))
        split = keras.layers.Lambda(lambda value: [value, value], name="split")(image)
        branched = keras.Model(image, split)
        self.assertEqual(compare_structure(branched, branched).rows[1].before.channels, 3)


if __name__ == "__main__":
    absltest.main()
