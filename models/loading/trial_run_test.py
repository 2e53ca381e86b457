"""Networks on paper that were made to go wrong: each gets one line, at building or at the trial run."""

import json
from typing import Any

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data.errors import InputError
from goodnet.models.legacy_keras import keras, tf
from goodnet.models.loading.building import build_model
from goodnet.models.loading.canonical_config import canonical_config
from goodnet.models.loading.config_reading import parse_json, read_config
from goodnet.models.loading.network_cost import CostLimits
from goodnet.models.loading.trial_run import try_network

_Entry = dict[str, Any]


def _entry(kind: str, name: str, read: Any, **settings: Any) -> _Entry:
    """A layer that reads the outputs of layers, by their names, or a node as Keras 2 writes it."""
    nodes = read if read and isinstance(read[0], list) else [[[layer, 0, 0, {}] for layer in read]]
    return {"class_name": kind, "name": name, "inbound_nodes": nodes, "config": {"name": name, **settings}}


def _op(name: str, function: str, read: Any, **arguments: Any) -> _Entry:
    layer = "SlicingOpLambda" if function == "__operators__.getitem" else "TFOpLambda"
    return _entry(layer, name, [[read, 0, 0, arguments]] if isinstance(read, str) else read, function=function)


def _config(*layers: _Entry, shape: tuple[int, ...] = (4, 4, 3), output: str = "out") -> _Entry:
    image = _entry("InputLayer", "image", [], batch_input_shape=[None, *shape])
    image["inbound_nodes"] = []
    settings = {"name": "model", "layers": [image, *layers], "input_layers": [["image", 0, 0]]}
    return {"class_name": "Functional", "config": {**settings, "output_layers": [[output, 0, 0]]}}


def _opened(config: _Entry, **limits: int) -> keras.Model:
    spec = read_config(parse_json(json.dumps(config), "model_config"))
    model = build_model(spec, {}, limits=CostLimits(**limits))
    try_network(model)
    return model


_POOLED = _entry("GlobalAveragePooling2D", "mean", ["image"])


class PaperTest(parameterized.TestCase):
    def refused(self, config: _Entry, message: str, **limits: int) -> None:
        with self.assertRaisesRegex(InputError, message) as raised:
            _opened(config, **limits)
        self.assertLess(len(str(raised.exception)), 500)
        self.assertNotIn("\n", str(raised.exception))


class TrialTest(PaperTest):
    def test_what_treats_each_image_alone_is_opened(self):
        doubled = _op("doubled", "math.multiply", "mean", y=2.0)
        last = _op("last", "__operators__.getitem", "doubled", slice_spec=[
            {"start": None, "stop": None, "step": None}, {"start": 1, "stop": None, "step": None}])  # fmt: skip
        model = _opened(_config(_POOLED, doubled, last, _op("out", "nn.softmax", "last", axis=-1)))
        self.assertEqual(model.output_shape, (None, 2))

    @parameterized.named_parameters(
        ("squeeze_without_axis", "squeeze", {}, "squeeze without an axis"),
        ("squeeze_of_the_batch", "squeeze", {"axis": [0]}, "axis of the batch"),
        ("reshape_to_one_image", "reshape", {"shape": [1, 3]}, "whatever the number of images"),
        ("reshape_over_images", "reshape", {"shape": [-1, 1]}, "gives .* for 3 images"),
        ("gather_from_the_batch", "gather", {"indices": [0, 0], "axis": 0}, "axis of the batch"),
        ("gather_by_default", "gather", {"indices": [0, 0]}, "axis of the batch"),
        ("gather_out_of_range", "gather", {"indices": [7], "axis": 1}, "can't be called|can't be run"),
        ("softmax_over_images", "nn.softmax", {"axis": 0}, "axis of the batch"),
        ("softmax_over_images_from_behind", "nn.log_softmax", {"axis": -2}, "axis of the batch"),
        ("mean_of_images", "math.reduce_mean", {"axis": 0, "keepdims": True}, "axis of the batch"),
        ("mean_of_all", "math.reduce_mean", {"axis": None}, "whatever the number of images"),
        ("transposed", "transpose", {"perm": [1, 0]}, "moves the axis of the batch"),
        ("transposed_by_default", "transpose", {}, "moves the axis of the batch"),
        ("a_new_first_axis", "expand_dims", {"axis": 0}, "whatever the number of images"),
        ("an_axis_that_is_a_name", "nn.softmax", {"axis": "int32"}, "no whole number"),
        ("an_axis_that_is_a_tensor", "nn.softmax", {"axis": ["mean", 0, 0]}, "no whole number"),
        ("where_alone", "where", {}, "where without two values"),
        ("bool", "math.greater", {"y": 0.0}, "values of type bool"),
        ("integers", "cast", {"dtype": "int32"}, "values of type int32"),
        ("round", "math.round", {}, "no gradient flows"),
        ("one_hot", "one_hot", {"depth": 3}, "can't be called"),
        ("huge", "math.multiply", {"y": 10**400}, "finite numbers"),
        ("beyond_int64", "math.multiply", {"y": 2**64}, "opened|can't be called"),
        ("zero_by_zero", "math.truediv", {"y": 0}, "NaN or infinite values for an image of zeros"),
        ("logarithm", "math.log", {}, "NaN or infinite"),
        ("outer_product", "math.add", {"y": [[1.0] * 3] * 7}, "whatever the number of images"),
    )  # fmt: skip
    def test_functions(self, function, arguments, message):
        config = _config(_POOLED, _op("out", function, "mean", **arguments))
        if "opened" in message:
            try:
                _opened(config)
            except InputError as error:
                self.assertRegex(str(error), message)
            return
        self.refused(config, message)

    @parameterized.parameters(
        [[0]], [[{"start": 1, "stop": None, "step": None}]], [[{"start": None, "stop": None, "step": -1}]], [[None]],
        [[{"start": None, "stop": 1, "step": None}]], [[{"class_name": "__ellipsis__"}, 0, 0]],
    )  # fmt: skip
    def test_indices_over_the_batch(self, index):
        config = _config(_POOLED, _op("out", "__operators__.getitem", "mean", slice_spec=index))
        self.refused(config, "takes images from the batch|can't be called")

    def test_an_outer_sum_over_the_batch(self):
        rows = _op("rows", "expand_dims", "mean", axis=1)
        total = _op("out", "math.add", "mean", y=["rows", 0, 0])
        self.refused(_config(_POOLED, rows, total), "None for unknown")

    @parameterized.parameters("Concatenate", "Softmax", "UnitNormalization")
    def test_layers_over_the_batch(self, kind):
        read = ["mean", "mean"] if kind == "Concatenate" else ["mean"]
        self.refused(_config(_POOLED, _entry(kind, "out", read, axis=0)), "axis of the batch")

    def test_stack_over_the_batch(self):
        stacked = _op("out", "stack", [[["mean", 0, 0, {"axis": 0}], ["mean", 0, 0, {"axis": 0}]]])
        self.refused(_config(_POOLED, stacked), "whatever the number of images")

    def test_what_no_shape_shows(self):
        """A vector, one number an image, is added to three numbers an image: three images alone fit."""
        total = _op("total", "math.reduce_sum", "mean", axis=1)
        self.refused(_config(_POOLED, total, _op("out", "math.add", "mean", y=["total", 0, 0])), "otherwise|None for")


class CostTest(PaperTest):
    def test_too_many_numbers_an_image(self):
        grown = _entry("UpSampling2D", "grown", ["image"], size=[1024, 1024])
        self.refused(_config(grown, _entry("Flatten", "out", ["grown"])), "50331648 numbers an image")

    def test_six_wide_convolutions_are_counted(self):
        model = keras.Sequential([keras.Input((64, 64, 3)), *(keras.layers.Conv2D(64, 3, padding="same")
            for _ in range(3)), keras.layers.GlobalAveragePooling2D()])  # fmt: skip
        spec = read_config(json.loads(model.to_json()))
        arrays = {
            (layer.name,): [np.asarray(weight) for weight in layer.get_weights()]
            for layer in model.layers
            if layer.weights
        }
        multiply_adds = 64 * 64 * 9 * 64 * (3 + 64 + 64)
        build_model(spec, arrays, limits=CostLimits(multiply_adds=int(1.02 * multiply_adds)))
        with self.assertRaisesRegex(InputError, r"multiply-adds an image up to here; .*--max_multiply_adds"):
            build_model(spec, arrays, limits=CostLimits(multiply_adds=multiply_adds))

    def test_sizes_that_nothing_tells(self):
        pooled = _entry("GlobalAveragePooling2D", "out", ["image"])
        self.refused(_config(pooled, shape=(None, None, 3)), "None for unknown")

    def test_additions_of_a_thousand_inputs(self):
        layers, last = [_entry("ReLU", "a", ["image"])], "a"
        for number in range(40):
            layers.append(_entry("Add", f"add_{number}", [last] * 1000))
            last = f"add_{number}"
        layers.append(_entry("GlobalAveragePooling2D", "out", [last]))
        self.refused(_config(*layers), r"read \d+ outputs of other layers; expected at most 32768")

    def test_more_classes_than_anything_tells_apart(self):
        self.refused(_config(_entry("Flatten", "out", ["image"]), shape=(256, 256, 3)), "196608 classes")

    def test_layers_listed_backwards(self):
        layers, last = [], "image"
        for number in range(300):
            layers.append(_entry("ReLU", f"r{number}", [last]))
            last = f"r{number}"
        layers.append(_entry("GlobalAveragePooling2D", "out", [last]))
        self.assertLen(_opened(_config(*reversed(layers))).layers, 302)

    def test_a_chain_deeper_than_pythons_recursion(self):
        layers, last = [], "image"
        for number in range(1100):
            layers.append(_entry("ReLU", f"r{number}", [last]))
            last = f"r{number}"
        layers.append(_entry("GlobalAveragePooling2D", "out", [last]))
        self.assertLen(build_model(read_config(_config(*layers)), {}).layers, 1102)

    def test_json_nested_too_deep_to_be_walked_over(self):
        with self.assertRaisesRegex(InputError, "nested deeper than 100"):
            parse_json("[" * 500 + "]" * 500, "config.json")


class NamesTest(absltest.TestCase):
    def test_no_suspect_has_a_name_of_ours(self):
        layers = [_entry("ReLU", name, ["image"]) for name in ("goodnet_gate_a", "prune_low_magnitude_goodnet_gate_a")]
        total = _entry("Add", "sum", [layer["name"] for layer in layers])
        model = _opened(_config(*layers, total, _entry("GlobalAveragePooling2D", "out", ["sum"])))
        self.assertFalse(any("goodnet_" in layer.name for layer in model.layers))

    def test_many_layers_of_one_legal_name(self):
        names = [f"{'x' * 210}{number}" for number in range(60)]
        layers = [_entry("ReLU", name, ["image"]) for name in names]
        total = _entry("Add", "sum", names)
        model = _opened(_config(*layers, total, _entry("GlobalAveragePooling2D", "out", ["sum"])))
        self.assertLen({layer.name for layer in model.layers}, 63)


class CanonicalTest(absltest.TestCase):
    def test_it_says_the_same(self):
        image = keras.Input((8, 8, 3))
        inner = keras.Sequential([keras.layers.Conv2D(4, 3, padding="same"), keras.layers.ReLU(6.0)], name="inner")
        x = inner(inner(keras.layers.Conv2D(4, 3, padding="same")(image)))
        x = tf.concat([x, 1.0 - x], axis=-1)[:, 1:-1, ...]
        x = keras.layers.Rescaling([0.5] * 8, 1.0)(keras.layers.MaxPooling2D(2, strides=None)(x))
        model = keras.Model(image, tf.reduce_mean(x, axis=[1, 2]))
        spec = read_config(json.loads(model.to_json()))
        written = json.loads(json.dumps(canonical_config(spec)))
        self.assertEqual(read_config(written), spec)


if __name__ == "__main__":
    absltest.main()
