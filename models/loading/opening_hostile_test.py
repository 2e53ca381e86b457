"""What hostile and broken model files get: one line, and nothing that is theirs is run."""

import copy
import io
import json
import os
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data.errors import InputError
from goodnet.models.legacy_keras import keras
from goodnet.models.loading.model_reading import read_model
from goodnet.models.loading.opening import open_model
from goodnet.models.loading.suspect_hdf5 import read_suspect_hdf5

_LAYERS = keras.layers
_Entry = dict[str, Any]


def _chain() -> keras.Model:
    image = keras.Input((8, 8, 3), name="image")
    conv = _LAYERS.Conv2D(4, 3, activation="relu", name="conv")(image)
    normed = _LAYERS.BatchNormalization(name="bn")(conv)
    flat = _LAYERS.Flatten(name="flat")(normed)
    return keras.Model(image, _LAYERS.Dense(3, activation="softmax", name="fc")(flat), name="chain")


class HostileTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = _chain()

    def setUp(self):
        super().setUp()
        self.folder = Path(self.create_tempdir())
        self.h5 = self.folder / "model.h5"
        self.zip = self.folder / "model.keras"

    def save(self) -> None:
        self.model.save(self.h5)
        self.model.save(self.zip)

    def assert_refused(self, path: Path, message: str, open_it: Callable[[str], Any] | None = None) -> None:
        with self.assertRaisesRegex(InputError, message) as raised:
            (open_it or _read_here)(str(path))
        text = str(raised.exception)
        self.assertStartsWith(text, f"{path}: ")
        self.assertLess(len(text), 500 + len(str(path)))
        self.assertNoCommonElements(text, "\n\r\x1b")

    def change_config(self, change: Callable[[_Entry], Any]) -> None:
        """Applies the same change to the configuration inside both files."""
        self.save()
        with h5py.File(self.h5, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            changed = change(config)
            file.attrs["model_config"] = json.dumps(config) if changed is None else changed
        members = _members(self.zip)
        config = json.loads(members["config.json"])
        changed = change(config)
        members["config.json"] = json.dumps(config).encode() if changed is None else changed.encode()
        _write_zip(self.zip, members)

    def assert_config_refused(self, change: Callable[[_Entry], Any], message: str) -> None:
        self.change_config(change)
        self.assert_refused(self.h5, message)
        self.assert_refused(self.zip, message)


class CodeTest(HostileTest):
    @parameterized.product(suffix=[".h5", ".keras"], nested=[False, True])
    def test_a_lambda_payload_does_not_run(self, suffix, nested):
        planted = self.folder / "planted"
        payload = eval(f"lambda x: (open({str(planted)!r}, 'w').close(), x)[1]")
        image = keras.Input((8, 8, 3))
        carrier = _LAYERS.Lambda(payload, output_shape=(8, 8, 3))
        if nested:
            carrier = keras.Sequential([keras.Input((8, 8, 3)), carrier])
        model = keras.Model(image, _LAYERS.Dense(2)(_LAYERS.Flatten()(carrier(image))))
        path = self.folder / f"model{suffix}"
        model.save(path)
        planted.unlink()  # Keras runs the payload when the attacker builds the model, and again when it loads it.
        keras.models.load_model(path, compile=False, safe_mode=False)(np.zeros((1, 8, 8, 3)))
        self.assertTrue(planted.exists())
        planted.unlink()
        self.assert_refused(path, "Lambda: it carries code, which is never read", open_model)
        self.assertFalse(planted.exists())

    @parameterized.named_parameters(
        ("custom_class", {"class_name": "Evil"}, "'Evil'"),
        ("registered", {"class_name": "pkg>Evil"}, "custom class 'pkg>Evil'"),
        ("registered_name", {"registered_name": "pkg>Conv2D"}, "custom class 'pkg>Conv2D'"),
        ("module_os", {"module": "os", "class_name": "system"}, "module 'os'"),
        ("module_that_begins_alike", {"module": "kerasx.layers"}, "module 'kerasx.layers'"),
        ("wrapper", {"class_name": "TimeDistributed"}, "TimeDistributed"),
        ("recurrent", {"class_name": "RNN"}, "RNN"),
        ("tfsm", {"class_name": "TFSMLayer"}, "TFSMLayer"),
        ("model_of_its_own", {"class_name": "Model2"}, "Model2"),
        ("class_name_no_text", {"class_name": ["Conv2D"]}, "no class name"),
        ("control_characters", {"class_name": "Evil\n\x1b[31m"}, "Evil??"),
    )
    def test_classes_off_the_list(self, change, message):
        self.assert_config_refused(lambda config: _layer(config, "conv").update(change), message)

    @parameterized.parameters(
        "io.write_file", "py_function", "numpy_function", "raw_ops.WriteFile", "load_op_library", "compat.v1.Session",
        "keras.models.load_model", "__class__", "math.__builtins__", "random.normal", "fill", "",
    )  # fmt: skip
    def test_functions_off_the_list(self, function):
        def change(config):
            entry = _layer(config, "flat")
            entry.update(class_name="TFOpLambda", module="keras.layers", registered_name=None)
            entry["config"] = {"name": "flat", "function": function}

        self.assert_config_refused(change, "it calls the function")

    @parameterized.parameters({"a": 1}, [["math.add"]], None, 3)
    def test_functions_that_are_no_names(self, *function, **named):
        """Found by fuzzing: a dictionary can't be looked up in an allow-list."""

        def change(config):
            entry = _layer(config, "flat")
            entry.update(class_name="TFOpLambda", module="keras.layers", registered_name=None)
            entry["config"] = {"name": "flat", "function": named or function[0]}

        self.assert_config_refused(change, "it calls the function")

    def test_names_of_arguments_that_tensorflow_crashes_on(self):
        """Found by fuzzing: TensorFlow 2.21 ends with a segmentation fault where such a name is no UTF-8."""

        def change(config):
            entry = _layer(config, "flat")
            entry.update(class_name="TFOpLambda", module="keras.layers", registered_name=None)
            entry["config"] = {"name": "flat", "function": "math.subtract"}
            entry["inbound_nodes"] = [["bn", 0, 0, {"y": 1.0, "n\udcffme": None}]]

        self.assert_config_refused(change, "expected names of arguments")

    @parameterized.named_parameters(
        ("text", {"y": "/etc/passwd"}, "no text but"),
        ("dictionary", {"y": {"class_name": "Evil"}}, "tensors, numbers"),
        ("infinite", {"y": 1e39}, "finite"),
        ("long", {"y": [0] * 70000}, "at most 65536"),
        ("unknown_argument", {"stream": 1}, "can't be called"),
    )
    def test_arguments_of_functions(self, kwargs, message):
        def change(config):
            entry = _layer(config, "flat")
            entry.update(class_name="TFOpLambda", module="keras.layers", registered_name=None)
            entry["config"] = {"name": "flat", "function": "math.add"}
            entry["inbound_nodes"] = [["bn", 0, 0, kwargs]]

        self.assert_config_refused(change, message)

    @parameterized.parameters(
        "Evil", "os.system", "hard_tanh", 7, [["relu"]],
        ({"class_name": "__lambda__", "config": {"value": "4wEA"}},),
        ({"class_name": "function", "config": "system", "module": "os"},), ({"class_name": "Lambda", "config": {}},),
    )  # fmt: skip
    def test_activations_off_the_list(self, activation):
        self.assert_config_refused(
            lambda config: _layer(config, "conv")["config"].update(activation=activation), "activation is"
        )

    def test_what_only_training_needs_is_not_even_looked_at(self):
        evil = {"module": "os", "class_name": "system", "config": {"command": "false"}, "registered_name": "pkg>Evil"}

        def change(config):
            _layer(config, "conv")["config"].update(
                kernel_initializer=evil, bias_initializer=evil, kernel_regularizer=evil, kernel_constraint=evil,
                activity_regularizer=evil,
            )  # fmt: skip
            config["compile_config"] = evil

        self.change_config(change)
        with h5py.File(self.h5, "r+") as file:
            file.attrs["training_config"] = json.dumps({"optimizer_config": evil, "loss": evil})
            file["optimizer_weights"] = h5py.ExternalLink("/nonexistent", "/")
        images = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
        for path in (self.h5, self.zip):
            np.testing.assert_allclose(open_model(str(path))(images), self.model(images), atol=1e-6)


class ConfigTest(HostileTest):
    @parameterized.named_parameters(
        ("dense_of_a_trillion", "fc", {"units": 10**12}, "units is"),
        ("dense_larger_than_its_weights", "fc", {"units": 2**20}, "the shape"),
        ("conv_larger_than_its_weights", "conv", {"filters": 65536}, "the shape"),
        ("kernel_larger_than_its_weights", "conv", {"kernel_size": [1000, 1000]}, "the shape"),
        ("negative", "conv", {"filters": -4}, "filters is"),
        ("text", "conv", {"filters": "4"}, "filters is"),
        ("flag_as_number", "conv", {"filters": True}, "filters is"),
        ("groups", "conv", {"groups": 3}, "the shape"),
        ("strides_zero", "conv", {"strides": [0, 1]}, "strides is"),
        ("channels_first", "conv", {"data_format": "channels_first"}, "the shape"),
        ("channels_nowhere", "conv", {"data_format": "channels_none"}, "data_format is"),
        ("unknown_setting", "conv", {"evil": 1}, "setting 'evil'"),
        ("units_none", "fc", {"units": None}, "units is"),
        ("axis", "bn", {"axis": 9}, "axis is"),
        ("other_axis", "bn", {"axis": 1}, "the shape"),
        ("epsilon", "bn", {"epsilon": "NaN"}, "epsilon is"),
        ("no_bias", "conv", {"use_bias": False}, "weights"),
        ("dtype", "conv", {"dtype": "resource"}, "dtype is"),
        ("dtype_policy", "conv", {"dtype": {"class_name": "Evil", "config": {"name": "int9"}}}, "dtype is"),
        ("input_of_a_terabyte", "image", {"batch_input_shape": [None, 10**6, 10**6, 3]}, "its shape is"),
        ("input_without_shape", "image", {"batch_input_shape": None}, "its shape is"),
        ("ragged", "image", {"ragged": True}, "ragged"),
    )  # fmt: skip
    def test_settings(self, name, change, message):
        self.assert_config_refused(lambda config: _layer(config, name)["config"].update(change), message)

    @parameterized.named_parameters(
        ("up_sampling", "UpSampling2D", {"size": [1024, 1024]}, "numbers an image"),
        ("padding", "ZeroPadding2D", {"padding": [[4096, 4096], [4096, 4096]]}, "numbers an image"),
        (
            "resizing",
            "Resizing",
            {"height": 4096, "width": 4096, "interpolation": "area"},
            "numbers an image|the shape",
        ),
        ("reshape", "Reshape", {"target_shape": [7, -1]}, "can't be called"),
        ("rescaling", "Rescaling", {"scale": [[0.0] * 300] * 300}, "at most 65536 numbers"),
        ("prelu_without_weights", "PReLU", {"shared_axes": None}, "0 weights in the file; expected 1|weights"),
    )
    def test_layers_that_grow(self, kind, config, message):
        def change(whole):
            entry = _layer(whole, "flat")
            entry.update(class_name=kind, config={"name": "flat", **config})

        self.assert_config_refused(change, message)

    @parameterized.named_parameters(
        ("attention_without_weights", "MultiHeadAttention", {"num_heads": 2, "key_dim": 4}, "weights"),
        ("attention_of_a_million_heads", "MultiHeadAttention", {"num_heads": 10**6, "key_dim": 4}, "num_heads is"),
        ("attention_along_the_batch", "MultiHeadAttention", {"num_heads": 2, "key_dim": 4, "attention_axes": [0]},
         "attention_axes is"),
        ("attention_with_a_gate", "MultiHeadAttention", {"num_heads": 2, "key_dim": 4, "use_gate": True},
         "use_gate is"),
        ("dropout_over_the_batch", "Dropout", {"rate": 0.1, "noise_shape": [1, 1, 1, 1]}, "noise_shape is"),
        ("dropout_of_other_rank", "Dropout", {"rate": 0.1, "noise_shape": [None, 1]}, "noise_shape of another"),
        ("dropout_of_a_trillion", "Dropout", {"rate": 0.1, "noise_shape": [None, 10**12]}, "noise_shape is"),
        ("scale_of_another_size", "LayerScale", {"projection_dim": 9}, "weights|no .layer_scale. in the file"),
        ("scale_infinite", "CustomScaleLayer", {"scale": 1e39}, "scale is"),
        ("crop_to_a_gigapixel", "RandomCrop", {"height": 10**6, "width": 10**6}, "height is"),
        ("crop_that_grows", "RandomCrop", {"height": 4096, "width": 4096}, "numbers an image"),
        ("normalization_of_the_batch", "Normalization", {"axis": 0, "mean": 0, "variance": 1}, "axis of the batch"),
        ("activation_with_weights", "Activation",
         {"activation": {"class_name": "PReLU", "config": {"name": "prelu"}}}, "activation is"),
        ("activation_with_code", "Activation",
         {"activation": {"class_name": "Lambda", "config": {"function": "4wEA"}}}, "activation is"),
        ("activation_without_settings", "Activation", {"activation": {"class_name": "ReLU"}}, "activation is"),
        ("activation_of_an_activation", "Activation",
         {"activation": {"class_name": "Activation", "config": {"activation": "evil"}}}, "activation is"),
        ("softmax_over_the_batch", "Activation",
         {"activation": {"class_name": "Softmax", "config": {"axis": 0}}}, "axis of the batch"),
    )  # fmt: skip
    def test_hostile_settings_of_layers_for_common_networks(self, kind, config, message):
        def change(whole):
            entry = _layer(whole, "flat")
            entry.update(class_name=kind, module="keras.layers", registered_name=None)
            entry["config"] = {"name": "flat", **config}

        self.assert_config_refused(change, message)

    def test_attention_whose_scores_are_too_many(self):
        image = keras.Input((128, 128, 1))
        positions = _LAYERS.Reshape((2**14, 1))(image)
        model = keras.Model(image, _LAYERS.Flatten()(_LAYERS.MultiHeadAttention(1, 1)(positions, positions)))
        model.save(self.h5)
        self.assert_refused(self.h5, "268435456 numbers an image")

    @parameterized.named_parameters(
        ("nothing_inside", None, "no layer in it"),
        ("a_name_inside", "os.system", "no layer in it"),
        ("code_inside", {"class_name": "Lambda", "config": {"name": "x"}}, "Lambda"),
        ("a_class_inside", {"class_name": "Evil", "config": {"name": "x"}}, "'Evil'"),
        ("itself_inside", {"class_name": "PruneLowMagnitude", "config": {"layer": {"class_name": "Flatten",
         "config": {}}}}, "a wrapper in it"),
        ("a_model_inside", {"class_name": "Sequential", "config": {"name": "x", "layers": [
            {"class_name": "Flatten", "config": {"name": "y"}}]}}, "a model or a wrapper in it"),
    )  # fmt: skip
    def test_wrappers(self, inside, message):
        def change(whole):
            entry = _layer(whole, "flat")
            entry.update(class_name="PruneLowMagnitude", module="os", registered_name="PruneLowMagnitude")
            entry["config"] = {"name": "flat", "layer": inside}

        self.assert_config_refused(change, message)

    @parameterized.named_parameters(
        ("resize_to_gigapixels", "image.resize", {"size": [10**6, 10**6]}, "resizes to"),
        ("resize_to_a_tensor", "image.resize", {"size": ["conv", 0, 0]}, "resizes to"),
        ("resize_by_a_word", "image.resize", {"size": [4, 4], "method": "evil"}, "method"),
        ("resize_otherwise", "image.resize", {"size": [10**6, 10**6], "antialias": True}, "can't be called|numbers"),
        ("bias_of_channels_first", "nn.bias_add", {"bias": [0, 0, 0, 0], "data_format": "NCHW"}, "data_format"),
        ("bias_of_another_size", "nn.bias_add", {"bias": [0.0] * 9}, "can't be called"),
    )
    def test_functions_of_images(self, function, kwargs, message):
        def change(whole):
            entry = _layer(whole, "flat")
            entry.update(class_name="TFOpLambda", module="keras.layers", registered_name=None)
            entry["config"] = {"name": "flat", "function": function}
            entry["inbound_nodes"] = [["conv", 0, 0, kwargs]]

        self.assert_config_refused(change, message)

    def test_a_model_within_a_model_within_a_model(self):
        def change(config):
            inner = copy.deepcopy(config)
            for _ in range(30):
                inner = {"class_name": "Sequential", "config": {"name": "nested", "layers": [inner]}}
            config.clear()
            config.update(inner)

        self.assert_config_refused(change, "nested deeper")

    def test_models_that_call_each_other_twice_at_every_level(self):
        """2**8 x 2**8 calls out of a short file."""

        def twice(level: int) -> _Entry:
            image: _Entry = {"class_name": "InputLayer", "name": "i", "inbound_nodes": []}
            image["config"] = {"name": "i", "batch_input_shape": [None, 4, 4, 3]}
            inner: _Entry = {"class_name": "ReLU", "config": {"name": "m"}} if level == 0 else twice(level - 1)
            inner["name"] = "m"
            inner["inbound_nodes"] = [[["i", 0, 0, {}]]] + [[["m", call, 0, {}]] for call in range(12)]
            settings = {"name": "m", "layers": [image, inner], "input_layers": [["i", 0, 0]]}
            return {"class_name": "Functional", "config": {**settings, "output_layers": [["m", 12, 0]]}}

        self.assert_config_refused(lambda config: config.update(twice(7)), r"called \d+ times; expected at most 2048")

    def test_thousands_of_layers(self):
        def change(config):
            config["config"]["layers"] *= 2000

        self.assert_config_refused(change, "more than 2048 layers")

    @parameterized.named_parameters(
        ("cycle", lambda config: _layer(config, "conv").update(inbound_nodes=[[["fc", 0, 0, {}]]]), "waits for itself"),
        ("unknown_layer", lambda config: _layer(config, "conv").update(inbound_nodes=[[["x", 0, 0, {}]]]), "waits for"),
        ("unused", lambda config: _layer(config, "conv").update(inbound_nodes=[]), "is not used"),
        ("unknown_output", lambda config: _layer(config, "conv").update(inbound_nodes=[[["image", 0, 5]]]), "output 5"),
        ("output_below_0", lambda config: _layer(config, "conv").update(inbound_nodes=[[["image", 0, -1]]]), "unknown"),
        ("no_input", lambda config: _layer(config, "conv").update(inbound_nodes=[{"args": [[]], "kwargs": {}}]),
         "called on 0 inputs"),
        ("nonsense", lambda config: _layer(config, "conv").update(inbound_nodes=[[7]]), "unknown"),
        ("extra", lambda config: _layer(config, "conv").update(inbound_nodes=[[["image", 0, 0, {"x": 1}]]]), "extra"),
        ("in_training", lambda config: _layer(config, "bn").update(
            inbound_nodes=[[["conv", 0, 0, {"training": True}]]]), "called with training"),
        ("twice", lambda config: config["config"]["layers"].append(_layer(config, "conv")), "two layers named 'conv'"),
        ("outputs", lambda config: config["config"].update(output_layers=[["x", 0, 0]]), "output 0 of layer 'x'"),
        ("no_outputs", lambda config: config["config"].update(output_layers=[]), "output_layers"),
        ("no_inputs", lambda config: config["config"].update(input_layers={"a": 1}), "input_layers"),
        ("no_layers", lambda config: config["config"].update(layers={}), "no list of layers"),
        ("no_config", lambda config: config.update(config="text"), "no dictionary"),
        ("long_name", lambda config: _layer(config, "conv").update(name="x" * 300), "a short text"),
        ("subclass", lambda config: config.update(class_name="MyModel", config={"units": 3}),
         "class of its own|custom class"),
        ("not_json", lambda config: "{", "no valid JSON"),
        ("list", lambda config: "[]", "no class name"),
        ("nan", lambda config: '{"class_name": NaN}', "no valid JSON"),
        ("double_key", lambda config: '{"class_name": "Functional", "class_name": "Lambda"}', "stands twice"),
        ("deep", lambda config: "[" * 100_000, "no valid JSON"),
        ("digits", lambda config: "1" * 100_000, "no valid JSON"),
    )  # fmt: skip
    def test_graphs(self, change, message):
        def only_text(config):
            changed = change(config)
            return changed if isinstance(changed, str) else None

        self.assert_config_refused(only_text, message)


class Hdf5Test(HostileTest):
    def refused(self, change: Callable[[h5py.Group], Any], message: str) -> None:
        """Changes the weights in both layouts, at the kernel of the convolution."""
        self.save()
        with h5py.File(self.h5, "r+") as file:
            change(file["model_weights/conv/conv"])
        self.assert_refused(self.h5, message)
        members = _members(self.zip)
        stream = io.BytesIO(members["model.weights.h5"])
        with h5py.File(stream, "r+") as file:
            group = file["layers/conv2d/vars"]
            group.move("0", "kernel:0")
            change(group)
            if group.get("kernel:0", getlink=True) is not None:
                group.move("kernel:0", "0")
        _write_zip(self.zip, {**members, "model.weights.h5": stream.getvalue()})
        self.assert_refused(self.zip, message)

    @parameterized.named_parameters(
        ("nan", lambda old: np.where(old > 0, np.nan, old), "values that are NaN or infinite"),
        ("infinite", lambda old: np.full_like(old, np.inf), "values that are NaN or infinite"),
        ("beyond_float32", lambda old: np.full(old.shape, 1e300), "values that are NaN or infinite"),
        ("shape", lambda old: old[..., :2], "the shape"),
        ("rank", lambda old: old.ravel(), "the shape"),
        ("text", lambda old: np.bytes_(b"kernel"), "expected numbers"),
        ("complex", lambda old: old.astype(complex), "expected numbers"),
        ("compound", lambda old: np.zeros(3, [("a", "f4")]), "expected numbers"),
        ("empty", lambda old: h5py.Empty("f4"), "expected numbers"),
        ("no_values", lambda old: np.zeros((0, 3, 3, 4), "f4"), r"4 axes \(0, 3, 3, 4\); expected numbers"),
        ("no_values_of_four_million_channels", lambda old: np.zeros((0, 0, 4 * 10**6, 64), "f4"), "4000000, 64"),
        ("many_axes", lambda old: old.reshape((1,) * 20 + old.shape), "an array of 24 axes"),
    )
    def test_values(self, values, message):
        def change(group):
            old = group["kernel:0"][()]
            del group["kernel:0"]
            group["kernel:0"] = values(old)

        self.refused(change, message)

    def test_objects(self):
        def change(group):
            del group["kernel:0"]
            group.create_dataset("kernel:0", data=["text"] * 3, dtype=h5py.string_dtype())

        self.refused(change, "expected numbers")

    def test_references(self):
        def change(group):
            reference = group.ref
            del group["kernel:0"]
            group.create_dataset("kernel:0", data=[reference], dtype=h5py.ref_dtype)

        self.refused(change, "expected numbers")

    @parameterized.named_parameters(
        ("external", lambda: h5py.ExternalLink("other.h5", "/secret")),
        ("soft", lambda: h5py.SoftLink("/somewhere")),
        ("loop", lambda: h5py.SoftLink("kernel:0")),
    )
    def test_links(self, link):
        with h5py.File(self.folder / "other.h5", "w") as other:
            other["secret"] = np.zeros((3, 3, 3, 4), np.float32)

        def change(group):
            del group["kernel:0"]
            group["kernel:0"] = link()

        self.refused(change, "a soft or external link")

    def test_external_storage(self):
        (self.folder / "secret.bin").write_bytes(bytes(432))

        def change(group):
            del group["kernel:0"]
            storage = [(str(self.folder / "secret.bin"), 0, 432)]
            group.create_dataset("kernel:0", (3, 3, 3, 4), "f4", external=storage)

        self.refused(change, "stored outside this file")

    def test_virtual_dataset(self):
        with h5py.File(self.folder / "other.h5", "w") as other:
            other["secret"] = np.zeros((3, 3, 3, 4), np.float32)

        def change(group):
            del group["kernel:0"]
            layout = h5py.VirtualLayout((3, 3, 3, 4), "f4")
            layout[:] = h5py.VirtualSource(str(self.folder / "other.h5"), "secret", (3, 3, 3, 4))
            group.create_virtual_dataset("kernel:0", layout)

        self.refused(change, "stored outside this file")

    def test_terabytes_that_are_not_there(self):
        def change(group):
            del group["kernel:0"]
            group.create_dataset("kernel:0", (2**20, 2**20), "f4")

        self.refused(change, "0 bytes of 4398046511104 are there")

    def test_terabytes_in_chunks_that_are_not_there(self):
        def change(group):
            del group["kernel:0"]
            group.create_dataset("kernel:0", (2**20, 2**20), "f4", chunks=(1024, 1024), compression="gzip")

        self.refused(change, "0 bytes unpack to 4398046511104")

    def test_compression_bomb(self):
        def change(group):
            del group["kernel:0"]
            group.create_dataset("kernel:0", data=np.zeros(2**22, np.uint8), compression="gzip", chunks=(2**22,))

        self.refused(change, "unpack to 4194304")

    @parameterized.parameters(5, 305, 307, 32001, 32008, 32015, 65535)
    def test_filters_that_hdf5_and_h5py_do_not_bring_along(self, code):
        def change(group):
            values = group["kernel:0"][()]
            del group["kernel:0"]
            properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            properties.set_chunk(values.shape)
            properties.set_filter(code, h5py.h5z.FLAG_OPTIONAL)
            kind, space = h5py.h5t.py_create(values.dtype), h5py.h5s.create_simple(values.shape)
            dataset = h5py.h5d.create(group.id, b"kernel:0", kind, space, properties)
            dataset.write_direct_chunk((0, 0, 0, 0), values.tobytes(), filter_mask=1)

        self.refused(change, rf"stored with the filters \[{code}\]")

    def test_many_arrays_that_unpack_to_far_more_than_the_file_holds(self):
        """Each is within its own limit; together they are 96 MiB out of one."""
        self.save()
        with h5py.File(self.h5, "r+") as file:
            group = file["model_weights"].create_group("more")
            for number in range(24):
                values = np.tile(np.arange(2**10, dtype=np.float32), 2**10)
                group.create_dataset(str(number), data=values, chunks=(2**18,), compression="gzip")
            size = file.id.get_filesize()
        self.assertLess(size, 2**20)
        with open(self.h5, "rb") as file:
            group = read_suspect_hdf5(file).group("model_weights/more")
        self.assertEqual(group.weight("0").shape, (2**20,))
        with self.assertRaisesRegex(InputError, "together more than 64 MiB"):
            group.weight("23")

    def test_a_weight_that_is_a_group(self):
        def change(group):
            del group["kernel:0"]
            group.create_group("kernel:0")

        self.refused(change, "is no array")

    def test_a_missing_weight(self):
        def change(group):
            del group["kernel:0"]

        self.refused(change, "no '.*kernel:0'|1 weights in the file")

    def test_negative_variance(self):
        self.save()
        with h5py.File(self.h5, "r+") as file:
            file["model_weights/bn/bn/moving_variance:0"][0] = -1
        self.assert_refused(self.h5, "moving_variance is negative")

    @parameterized.named_parameters(
        ("climbing_paths", "model_weights/conv", "weight_names", [b"../../fc/fc/kernel:0", b"conv/bias:0"], "no '../"),
        ("absolute_paths", "model_weights/conv", "weight_names", [b"/fc/kernel:0", b"conv/bias:0"], "no '/fc"),
        ("one_weight_less", "model_weights/conv", "weight_names", [b"conv/bias:0"], "the weights"),
        ("one_twice", "model_weights/conv", "weight_names", [b"conv/bias:0"] * 2, "the weights"),
        ("no_layers", "model_weights", "layer_names", [], "the weights '' in the file"),
        ("unknown_layer", "model_weights", "layer_names", [b"elsewhere"], "no 'elsewhere'"),
        ("numbers_for_names", "model_weights", "layer_names", [1, 2], "expected a list of names"),
        ("table_of_names", "model_weights", "layer_names", [[b"conv"], [b"fc"]], "has the shape"),
        ("config_a_number", "/", "model_config", 3, "expected text"),
        ("long_names", "model_weights", "layer_names", [b"x" * 5000], "a name of 5000 characters"),
    )  # fmt: skip
    def test_attributes(self, group, name, value, message):
        self.save()
        with h5py.File(self.h5, "r+") as file:
            file[group].attrs[name] = value
        self.assert_refused(self.h5, message)

    def test_config_that_is_no_text(self):
        self.save()
        with h5py.File(self.h5, "r+") as file:
            file.attrs["model_config"] = np.bytes_(b"\xff\xfe")
        self.assert_refused(self.h5, "damaged HDF5")

    def test_no_weights(self):
        self.save()
        with h5py.File(self.h5, "r+") as file:
            del file["model_weights"]
        self.assert_refused(self.h5, "no 'model_weights'")

    def test_a_heap_that_sends_the_hdf5_library_round_in_circles(self):
        """Found by fuzzing: zeros in a global heap make HDF5 loop for ever, where Python handles no signals."""
        self.save()
        content = bytearray(self.h5.read_bytes())
        heap = content.find(b"GCOL")
        content[heap + 16 : heap + 400] = bytes(384)
        self.h5.write_bytes(content)
        with open(self.h5, "rb") as file, self.assertRaisesRegex(InputError, "takes longer than 3 s"):
            read_suspect_hdf5(file, seconds=3)

    def test_truncated(self):
        self.save()
        for path in (self.h5, self.zip):
            whole = path.read_bytes()
            for kept in (9, 100, 1000, len(whole) // 2, len(whole) - 1):
                path.write_bytes(whole[:kept])
                self.assert_refused(path, "damaged|neither")

    def test_flipped_bytes_give_a_model_or_one_line(self):
        self.save()
        rng = np.random.default_rng(0)
        for path in (self.h5, self.zip):
            whole = path.read_bytes()
            for _ in range(15):
                changed = np.frombuffer(whole, np.uint8).copy()
                # Structure is at the front of groups; weights are most of the rest and only change outputs.
                where = rng.integers(0, len(changed), 8)
                changed[where] ^= rng.integers(1, 256, 8, np.uint8)
                path.write_bytes(changed.tobytes())
                try:
                    _read_here(str(path))
                except InputError as error:
                    self.assertNotIn("\n", str(error))


class ArchiveTest(HostileTest):
    def refused(self, change: Callable[[dict[str, bytes]], Any], message: str) -> None:
        self.save()
        members = _members(self.zip)
        change(members)
        _write_zip(self.zip, members)
        self.assert_refused(self.zip, message)

    @parameterized.parameters("../evil.py", "/etc/cron.d/evil", "assets/../../evil", "..\\evil", "\\evil", "C:\\evil")
    def test_paths_that_lead_out(self, name):
        self.refused(lambda members: members.update({name: b"evil"}), "leads out of it")

    @parameterized.parameters("data.pkl", "model.weights.npz", "nested/config.json", "saved_model.pb", "Config.json")
    def test_members_of_no_keras_file(self, name):
        self.refused(lambda members: members.update({name: b"evil"}), "expected config.json, metadata.json and")

    @parameterized.parameters("config.json", "metadata.json", "model.weights.h5")
    def test_missing_members(self, name):
        self.refused(lambda members: members.pop(name), f"a zip without {name}")

    def test_thousands_of_members(self):
        self.refused(lambda members: members.update({f"assets/{n}": b"" for n in range(5000)}), "5003 members")

    def test_weights_that_are_another_zip(self):
        self.refused(lambda members: members.update({"model.weights.h5": self.zip.read_bytes()}), "damaged HDF5")

    def test_symbolic_link(self):
        self.save()
        members = _members(self.zip)
        with zipfile.ZipFile(self.zip, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
            link = zipfile.ZipInfo("assets/link")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "/etc/passwd")
        self.assert_refused(self.zip, "a symbolic link")

    def test_duplicates(self):
        self.save()
        with self.assertWarns(UserWarning), zipfile.ZipFile(self.zip, "a") as archive:
            archive.writestr("config.json", "{}")
        self.assert_refused(self.zip, "stands twice")

    def test_bomb_that_declares_its_size(self):
        self.save()
        members = _members(self.zip)
        _write_zip(self.zip, {**members, "config.json": b" " * 2**25}, zipfile.ZIP_DEFLATED)
        self.assert_refused(self.zip, "declares 33554432 bytes")

    def test_bomb_that_lies_about_its_size(self):
        self.save()
        members = _members(self.zip)
        size = 2**25
        _write_zip(self.zip, {**members, "config.json": b" " * size}, zipfile.ZIP_DEFLATED)
        content = self.zip.read_bytes()
        self.zip.write_bytes(content.replace(struct.pack("<I", size), struct.pack("<I", 4000)))
        self.assert_refused(self.zip, "damaged zip|unpacks to more")

    @parameterized.parameters(0, 3, 9, 30)
    def test_lzma_that_is_damaged(self, offset):
        """Properties of the compression, or what was compressed."""
        self.save()
        _write_zip(self.zip, _members(self.zip), zipfile.ZIP_LZMA)
        with zipfile.ZipFile(self.zip) as archive:
            member = archive.getinfo("config.json")
        content = bytearray(self.zip.read_bytes())
        start = member.header_offset + 30 + len("config.json") + offset
        content[start : start + 8] = b"\xff" * 8
        self.zip.write_bytes(bytes(content))
        self.assert_refused(self.zip, "damaged zip")

    def test_encrypted(self):
        self.save()
        content = bytearray(self.zip.read_bytes())
        for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            start = content.find(signature)
            content[start + offset] |= 1
        self.zip.write_bytes(bytes(content))
        self.assert_refused(self.zip, "is encrypted")

    def test_nothing_is_written_beside_the_file(self):
        self.save()
        before = sorted(os.listdir(self.folder))
        open_model(str(self.zip))
        open_model(str(self.h5))
        self.assertEqual(sorted(os.listdir(self.folder)), before)


def _read_here(path: str) -> None:
    """What the limited process does that `open_model` asks, in this one: quicker, and nothing it raises is caught."""
    with open(path, "rb") as file:
        try:
            read_model(file)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


def _layer(config: _Entry, name: str) -> _Entry:
    return next(entry for entry in config["config"]["layers"] if entry["config"]["name"] == name)


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _write_zip(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


if __name__ == "__main__":
    absltest.main()
