"""The allow-list: which layers a suspect model may be made of, with which settings, and the weights they must have.

What only matters for training (initialisers, regularisers, constraints) is never read from the file: every weight is
loaded, and how a repair trains is not the suspect's to say.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from goodnet.data.errors import InputError
from goodnet.models.legacy_keras import keras
from goodnet.models.loading import settings_checks as checks
from goodnet.models.loading.model_spec import quoted
from goodnet.models.loading.settings_checks import Check

Settings = Mapping[str, Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class WeightNames:
    """Names of a layer's weights, in the order in which Keras keeps them."""

    trained: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Trained ones first, as in a file."""
        return self.trained + self.kept


@dataclass(frozen=True)
class LayerRule:
    """What a layer of one class may be.

    Attributes:
        build: the Keras 2 class, or None for a layer that does nothing at inference and is left out.
        settings: a check for every setting that matters.
        required: settings without which nothing can be built.
        tolerated: settings that are read to be checked, but not handed on.
        renamed: Keras 3's name of a setting -> Keras 2's.
        weight_names: names of the weights a layer with these settings has.
        weight_shapes: their shapes, given the input's shape [H, W, C] or [C].
        most_inputs: 1, or more for layers that merge a list of tensors.
        arguments: names of the tensors that it is called on, where these are arguments of their own.
        inside: what it makes of an input's shape inside itself: shapes an image, and multiply-adds beyond its weights'.
    """

    build: type | None
    settings: Mapping[str, Check] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    tolerated: Mapping[str, Check] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    weight_names: Callable[[Settings], WeightNames] = lambda settings: WeightNames()
    weight_shapes: Callable[[Settings, Shape], dict[str, Shape]] = lambda settings, shape: {}
    most_inputs: int = 1
    arguments: tuple[str, ...] = ()
    inside: Callable[[Settings, Shape], tuple[list[Shape], int]] | None = None


_SIZE = 65536
_TRAINING_ONLY = ("_initializer", "_regularizer", "_constraint")


def _channels_last(value: Any) -> None:
    """Of layers that are not opened with channels first."""
    if value not in (None, "channels_last"):
        raise ValueError("channels_last (put the layer between two Permute layers, and save that)")


_COMMON: Mapping[str, Check] = {
    "name": checks.ignored,
    "trainable": checks.ignored,
    "dtype": checks.ignored,
    "batch_input_shape": checks.ignored,
    "batch_shape": checks.ignored,
    "input_dtype": checks.ignored,
    "seed": checks.ignored,
    "autocast": checks.ignored,
    "data_format": _channels_last,
    "quantization_config": checks.only(None),
    "lora_rank": checks.only(None),
    "lora_alpha": checks.only(None),
    "gptq_unpacked_column_size": checks.only(None),
}


def _with_bias(*names: str) -> Callable[[Settings], WeightNames]:
    return lambda settings: WeightNames(names + (("bias",) if settings.get("use_bias", True) else ()))


def _conv_shapes(settings: Settings, shape: Shape) -> dict[str, Shape]:
    filters = settings["filters"]
    kernel = (*settings["kernel_size"], shape[-1] // settings.get("groups", 1), filters)
    return {"kernel": kernel, "bias": (filters,)}


def _depthwise_shapes(settings: Settings, shape: Shape) -> dict[str, Shape]:
    multiplier = settings.get("depth_multiplier", 1)
    kernel = (*settings["kernel_size"], shape[-1], multiplier)
    return {"depthwise_kernel": kernel, "bias": (shape[-1] * multiplier,)}


def _separable_shapes(settings: Settings, shape: Shape) -> dict[str, Shape]:
    multiplier, filters = settings.get("depth_multiplier", 1), settings["filters"]
    return {
        "depthwise_kernel": (*settings["kernel_size"], shape[-1], multiplier),
        "pointwise_kernel": (1, 1, shape[-1] * multiplier, filters),
        "bias": (filters,),
    }


def _dense_shapes(settings: Settings, shape: Shape) -> dict[str, Shape]:
    return {"kernel": (shape[-1], settings["units"]), "bias": (settings["units"],)}


def _scale_and_centre(*kept: str) -> Callable[[Settings], WeightNames]:
    def names(settings: Settings) -> WeightNames:
        trained = [name for name, flag in (("gamma", "scale"), ("beta", "center")) if settings.get(flag, True)]
        return WeightNames(tuple(trained), kept)

    return names


def _axis_shape(settings: Settings, shape: Shape) -> Shape:
    axes = settings.get("axis", -1)
    return tuple(shape[_position(axis, shape)] for axis in (axes if isinstance(axes, list) else [axes]))


def _position(axis: int, shape: Shape) -> int:
    """Index into a shape without batch axis, of an axis counted with it or from behind."""
    position = len(shape) + axis if axis < 0 else axis - 1
    if not 0 <= position < len(shape):
        raise ValueError(f"axis {axis} of an input with {len(shape) + 1} axes")
    return position


def _normalised_shapes(settings: Settings, shape: Shape) -> dict[str, Shape]:
    axes = _axis_shape(settings, shape)
    return {name: axes for name in ("gamma", "beta", "moving_mean", "moving_variance")}


def _prelu_shapes(settings: Settings, shape: Shape) -> dict[str, Shape]:
    shared = {_position(axis, shape) for axis in settings.get("shared_axes") or []}
    return {"alpha": tuple(1 if axis in shared else extent for axis, extent in enumerate(shape))}


def _normalization_names(settings: Settings) -> WeightNames:
    return WeightNames() if settings.get("mean") is not None else WeightNames((), ("mean", "variance", "count"))


def _normalization_shapes(settings: Settings, shape: Shape) -> dict[str, Shape]:
    extent = () if settings.get("axis", -1) is None else (shape[-1],)
    return {"mean": extent, "variance": extent, "count": ()}


def _attention_names(settings: Settings) -> WeightNames:
    parts = ("query", "key", "value", "attention_output")
    of_each = ("kernel", "bias") if settings.get("use_bias", True) else ("kernel",)
    return WeightNames(tuple(f"{part}/{weight}" for part in parts for weight in of_each))


def _attention_shapes(settings: Settings, shape: Shape) -> dict[str, Shape]:
    heads, channels = settings["num_heads"], shape[-1]
    key, value = settings["key_dim"], settings.get("value_dim") or settings["key_dim"]
    given = settings.get("output_shape") or channels
    shapes: dict[str, Shape] = {"attention_output/kernel": (heads, value, given), "attention_output/bias": (given,)}
    for part, size in (("query", key), ("key", key), ("value", value)):
        shapes |= {f"{part}/kernel": (channels, heads, size), f"{part}/bias": (heads, size)}
    return shapes


def _attention_inside(settings: Settings, shape: Shape) -> tuple[list[Shape], int]:
    """Queries, keys, values and what comes of them, and a score for each head and pair of positions."""
    heads, positions = settings["num_heads"], shape[0]
    key, value = settings["key_dim"], settings.get("value_dim") or settings["key_dim"]
    scores = (heads, positions, positions)
    return [*2 * [(positions, heads, key)], *2 * [(positions, heads, value)], *2 * [scores]], math.prod(scores) * (
        key + value
    )


# Activations that are layers; those with weights of their own are none of them.
_ACTIVATION_LAYERS = ("ReLU", "LeakyReLU", "ELU", "ThresholdedReLU", "Softmax", "Activation")


def _activation(value: Any) -> Any:
    """The name of an activation, or a layer that is one: class name and checked settings."""
    if isinstance(value, dict) and value.get("class_name") in _ACTIVATION_LAYERS:
        kind, settings = value["class_name"], value.get("config")
        if not isinstance(settings, dict):
            raise ValueError("a layer with its settings")
        return {"class_name": kind, "config": check_layer(kind, str(settings.get("name")), settings)}
    return checks.activation(value)


_PLACES: dict[str, Check] = {"data_format": checks.optional(checks.choice("channels_last", "channels_first"))}
_CONVOLVED: dict[str, Check] = {
    **_PLACES,
    "kernel_size": checks.pair(1, 1024),
    "strides": checks.pair(1, 1024),
    "padding": checks.choice("valid", "same"),
    "dilation_rate": checks.pair(1, 1024),
    "activation": _activation,
    "use_bias": checks.boolean,
}
_FILTERS: dict[str, Check] = {"filters": checks.integer(1, _SIZE)}
_DEPTH: dict[str, Check] = {"depth_multiplier": checks.integer(1, 1024)}
_POOLED: dict[str, Check] = {
    **_PLACES,
    "pool_size": checks.pair(1, 4096),
    "strides": checks.optional(checks.pair(1, 4096)),
    "padding": checks.choice("valid", "same"),
}
_AFFINE: dict[str, Check] = {
    "epsilon": checks.number(0, 1e3),
    "center": checks.boolean,
    "scale": checks.boolean,
}
_RATE: dict[str, Check] = {"rate": checks.number(0, 1)}
_DROPPED: dict[str, Check] = {**_RATE, "noise_shape": checks.optional(checks.noise_shape)}
_NOISE_SHAPE: dict[str, Check] = {"noise_shape": checks.only(None)}
_CROPPED: dict[str, Check] = {"height": checks.integer(1, 4096), "width": checks.integer(1, 4096)}
_AXIS = checks.integer(-6, 6)
_INTERPOLATION = checks.choice(
    "nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic"
)


def _rules() -> dict[str, LayerRule]:
    layers = keras.layers
    rules = {
        "Conv2D": LayerRule(
            layers.Conv2D,
            {**_FILTERS, **_CONVOLVED, "groups": checks.integer(1, _SIZE)},
            ("filters", "kernel_size"),
            weight_names=_with_bias("kernel"),
            weight_shapes=_conv_shapes,
        ),
        "DepthwiseConv2D": LayerRule(
            layers.DepthwiseConv2D,
            {**_CONVOLVED, **_DEPTH},
            ("kernel_size",),
            {"groups": checks.only(1), "filters": checks.only(None)},
            weight_names=_with_bias("depthwise_kernel"),
            weight_shapes=_depthwise_shapes,
        ),
        "SeparableConv2D": LayerRule(
            layers.SeparableConv2D,
            {**_FILTERS, **_CONVOLVED, **_DEPTH},
            ("filters", "kernel_size"),
            {"groups": checks.only(1)},
            weight_names=_with_bias("depthwise_kernel", "pointwise_kernel"),
            weight_shapes=_separable_shapes,
        ),
        "Dense": LayerRule(
            layers.Dense,
            {"units": checks.integer(1, 2**20), "activation": _activation, "use_bias": checks.boolean},
            ("units",),
            weight_names=_with_bias("kernel"),
            weight_shapes=_dense_shapes,
        ),
        "BatchNormalization": LayerRule(
            layers.BatchNormalization,
            {**_AFFINE, "axis": checks.one_integer(-6, 6), "momentum": checks.number(0, 1)},
            (),
            {
                "renorm": checks.only(False),
                "virtual_batch_size": checks.only(None),
                "adjustment": checks.only(None),
                "fused": checks.ignored,
                "synchronized": checks.ignored,
                "renorm_clipping": checks.ignored,
                "renorm_momentum": checks.ignored,
            },
            weight_names=_scale_and_centre("moving_mean", "moving_variance"),
            weight_shapes=_normalised_shapes,
        ),
        "LayerNormalization": LayerRule(
            layers.LayerNormalization,
            {**_AFFINE, "axis": checks.integers(-6, 6)},
            (),
            {"rms_scaling": checks.only(False)},
            weight_names=_scale_and_centre(),
            weight_shapes=_normalised_shapes,
        ),
        "GroupNormalization": LayerRule(
            layers.GroupNormalization,
            {**_AFFINE, "axis": checks.one_integer(-6, 6), "groups": checks.integer(-1, _SIZE)},
            weight_names=_scale_and_centre(),
            weight_shapes=_normalised_shapes,
        ),
        "PReLU": LayerRule(
            layers.PReLU,
            {"shared_axes": checks.optional(checks.integers(1, 6))},
            weight_names=lambda settings: WeightNames(("alpha",)),
            weight_shapes=_prelu_shapes,
        ),
        # Becomes a Rescaling: its weights are statistics of the data, and Keras 2 takes them in a way of its own.
        "Normalization": LayerRule(
            layers.Normalization,
            {
                "axis": checks.no_axes(checks.one_integer(-1, 6)),
                "mean": checks.optional(checks.numbers),
                "variance": checks.optional(checks.numbers),
            },
            (),
            {"invert": checks.only(False)},
            weight_names=_normalization_names,
            weight_shapes=_normalization_shapes,
        ),
        "Activation": LayerRule(layers.Activation, {"activation": _activation}, ("activation",)),
        "ReLU": LayerRule(
            layers.ReLU,
            {
                "max_value": checks.optional(checks.number(0)),
                "negative_slope": checks.number(0),
                "threshold": checks.number(0),
            },
        ),
        "LeakyReLU": LayerRule(layers.LeakyReLU, {"alpha": checks.number(0)}, renamed={"negative_slope": "alpha"}),
        "ELU": LayerRule(layers.ELU, {"alpha": checks.number()}),
        "ThresholdedReLU": LayerRule(layers.ThresholdedReLU, {"theta": checks.number(0)}),
        "Softmax": LayerRule(layers.Softmax, {"axis": checks.one_integer(-6, 6)}),
        "MaxPooling2D": LayerRule(layers.MaxPooling2D, _POOLED),
        "AveragePooling2D": LayerRule(layers.AveragePooling2D, _POOLED),
        "GlobalAveragePooling2D": LayerRule(layers.GlobalAveragePooling2D, {**_PLACES, "keepdims": checks.boolean}),
        "GlobalMaxPooling2D": LayerRule(layers.GlobalMaxPooling2D, {**_PLACES, "keepdims": checks.boolean}),
        "GlobalAveragePooling1D": LayerRule(layers.GlobalAveragePooling1D, {"keepdims": checks.boolean}),
        "GlobalMaxPooling1D": LayerRule(layers.GlobalMaxPooling1D, {"keepdims": checks.boolean}),
        "ZeroPadding2D": LayerRule(layers.ZeroPadding2D, {**_PLACES, "padding": checks.borders}),
        "Cropping2D": LayerRule(layers.Cropping2D, {**_PLACES, "cropping": checks.borders}),
        "UpSampling2D": LayerRule(
            layers.UpSampling2D, {**_PLACES, "size": checks.pair(1, 1024), "interpolation": _INTERPOLATION}
        ),
        "Resizing": LayerRule(
            layers.Resizing,
            {
                "height": checks.integer(1, 4096),
                "width": checks.integer(1, 4096),
                "interpolation": _INTERPOLATION,
                "crop_to_aspect_ratio": checks.boolean,
            },
            ("height", "width"),
            {
                "pad_to_aspect_ratio": checks.only(False),
                "antialias": checks.only(False),
                "fill_mode": checks.ignored,
                "fill_value": checks.ignored,
            },
        ),
        "CenterCrop": LayerRule(layers.CenterCrop, _CROPPED, ("height", "width")),
        # Keras 2 crops and resizes at inference, too; Keras 3 leaves images as they are, some versions of it.
        "RandomCrop": LayerRule(
            layers.Resizing,
            {**_CROPPED, "same_size": checks.boolean},
            ("height", "width"),
            {"rng_type": checks.ignored},
        ),
        "Rescaling": LayerRule(layers.Rescaling, {"scale": checks.numbers, "offset": checks.numbers}, ("scale",)),
        "Flatten": LayerRule(layers.Flatten, _PLACES),
        "Reshape": LayerRule(layers.Reshape, {"target_shape": checks.integers(-1, 2**24)}, ("target_shape",)),
        "Permute": LayerRule(layers.Permute, {"dims": checks.integers(1, 6)}, ("dims",)),
        "UnitNormalization": LayerRule(layers.UnitNormalization, {"axis": checks.one_integer(-6, 6)}),
        "Dropout": LayerRule(layers.Dropout, _DROPPED, ("rate",)),
        "AlphaDropout": LayerRule(layers.AlphaDropout, _RATE, ("rate",), _NOISE_SHAPE),
        "SpatialDropout2D": LayerRule(layers.SpatialDropout2D, {**_PLACES, **_RATE}, ("rate",), _NOISE_SHAPE),
        "GaussianDropout": LayerRule(layers.GaussianDropout, _RATE, ("rate",)),
        "GaussianNoise": LayerRule(layers.GaussianNoise, {"stddev": checks.number(0)}, ("stddev",)),
        "Concatenate": LayerRule(layers.Concatenate, {"axis": _AXIS}, most_inputs=1024),
        "MultiHeadAttention": LayerRule(
            layers.MultiHeadAttention,
            {
                "num_heads": checks.integer(1, 1024),
                "key_dim": checks.integer(1, _SIZE),
                "value_dim": checks.optional(checks.integer(1, _SIZE)),
                "output_shape": checks.optional(checks.one_integer(1, _SIZE)),
                "dropout": checks.number(0, 1),
                "use_bias": checks.boolean,
            },
            ("num_heads", "key_dim"),
            {
                "attention_axes": checks.only(None, 1, [1]),
                "use_gate": checks.only(False, None),
                "sliding_window": checks.only(None),
                "query_shape": checks.ignored,
                "key_shape": checks.ignored,
                "value_shape": checks.ignored,
                "flash_attention": checks.ignored,
                "softmax_robust_masking": checks.ignored,
            },
            weight_names=_attention_names,
            weight_shapes=_attention_shapes,
            arguments=("query", "value", "key"),
            inside=_attention_inside,
        ),
        # Classes of keras.applications (ConvNeXt, InceptionResNetV2), built of others.
        "LayerScale": LayerRule(
            layers.DepthwiseConv2D,
            {"projection_dim": checks.integer(1, _SIZE)},
            ("projection_dim",),
            {"init_values": checks.ignored},
            weight_names=lambda settings: WeightNames(("gamma",)),
            weight_shapes=lambda settings, shape: {"gamma": (settings["projection_dim"],)},
        ),
        "CustomScaleLayer": LayerRule(layers.Add, {"scale": checks.number()}, ("scale",), most_inputs=2),
    }
    for merge in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"):
        rules[merge] = LayerRule(getattr(layers, merge), most_inputs=1024)
    return rules


# fmt: off
_TRAINING_LAYERS = (
    "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness",
    "RandomHeight", "RandomWidth", "RandomShear", "RandomHue", "RandomSaturation", "RandomSharpness", "RandomGrayscale",
    "RandomColorJitter", "RandomColorDegeneration", "RandomPosterization", "RandomInvert", "RandomElasticTransform",
    "RandomErasing", "RandomGaussianBlur", "RandomPerspective", "AugMix", "RandAugment", "CutMix", "MixUp",
    "StochasticDepth", "ActivityRegularization",
)
# fmt: on

LAYER_RULES: Mapping[str, LayerRule] = {**_rules(), **{name: LayerRule(None) for name in _TRAINING_LAYERS}}


def check_layer(kind: str, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Checks the settings of one layer.

    Args:
        kind: class name in the configuration.
        name: the layer's name, for messages.
        config: the layer's configuration, as JSON has it.

    Returns:
        Arguments for the Keras 2 class.

    Raises:
        InputError: the class isn't on the allow-list, or a setting is unknown, missing or out of range.
    """
    rule = LAYER_RULES.get(kind)
    where = f"layer {quoted(name)} ({quoted(kind)})"
    if rule is None:
        raise InputError(
            f"{where}: expected a built-in layer of an image classifier; this class is not opened (build the network of"
            " Keras' own layers, and save that)"
        )
    if rule.build is None:
        return {}
    settings = {}
    for key, value in config.items():
        key = rule.renamed.get(key, key)
        if key.endswith(_TRAINING_ONLY):
            continue
        check = rule.settings.get(key)
        tolerated = check or rule.tolerated.get(key) or _COMMON.get(key)
        if tolerated is None:
            raise InputError(f"{where}: it has a setting {quoted(key)}; expected none of that name")
        try:
            checked = tolerated(value)
        except ValueError as error:
            raise InputError(f"{where}: {key} is {quoted(value)}; expected {error}") from None
        if check is not None:
            settings[key] = checked
    missing = [key for key in rule.required if key not in settings]
    if missing:
        raise InputError(f"{where}: no {missing[0]}; expected one")
    return settings


def as_in_keras_3(kind: str, settings: Settings) -> dict[str, Any]:
    """Checked settings with names of their own for what Keras 3 means otherwise than Keras 2."""
    changed = dict(settings)
    activation = settings.get("activation")
    if activation == "hard_sigmoid":
        changed["activation"] = checks.KERAS_3_HARD_SIGMOID
    elif isinstance(activation, dict):
        inner = as_in_keras_3(activation["class_name"], activation["config"])
        changed["activation"] = {"class_name": activation["class_name"], "config": inner}
    return {**changed, "same_size": True} if kind == "RandomCrop" else changed


def expected_weights(kind: str, settings: Settings, input_shape: Sequence[int | None]) -> dict[str, Shape]:
    """Names and shapes of the weights that a layer must find in the file, in Keras' order.

    Args:
        kind: class name on the allow-list.
        settings: as `check_layer` returns them.
        input_shape: of what flows in, without the batch axis; None where it isn't fixed.

    Returns:
        name -> shape.

    Raises:
        ValueError: a weight's shape depends on an axis that is not fixed or not there.
    """
    rule = LAYER_RULES[kind]
    names = rule.weight_names(settings).all
    if not names:
        return {}
    # An axis without a fixed size counts as -1 and makes the product below negative where a weight depends on it.
    shapes = rule.weight_shapes(settings, tuple(-1 if extent is None else extent for extent in input_shape))
    expected = {name: shapes[name] for name in names}
    if any(math.prod(shape) < 1 for shape in expected.values()):
        raise ValueError(f"an input of a fixed size, not {list(input_shape)}")
    return expected
