"""Keras -> TFLite: the detector, or a plain classifier, as one graph with uint8 pixels in and a named signature.

Which precision is what, and why `int8` measures the range of activations on the device:

- `int8`: weights are int8, and convolutions and dense layers multiply int8 by int8 into int32 (TFLite's dynamic-range
  kernels). The range of each layer's activations is measured on the device, for the image at hand. With clean images
  at hand, the mean shift of the logits is taken out (`export.bias_correction`). Large constants that lose nothing by it
  are stored in half precision (`export.half_constants`).
- `full_integer`: the same, but with activations in int8 throughout, in ranges fixed beforehand on representative images
  (Jacob et al., CVPR 2018), for accelerators and microcontrollers that can do nothing else. The representative images
  are clean, and what a trigger excites is *dormant on clean images*: its activations saturate, the BadNet's claim is
  lost, and so is the evidence that the detector lives on. Anything that fits the ranges closer to clean data
  (percentiles, equalisation across layers) makes that worse.
- `float16`: weights in half precision, arithmetic in float32. `float32`: as in Keras.

Whatever the precision, softmax, suspicion and its comparison with the threshold are computed in float32: an int8
softmax has steps of 1/256, and a threshold of 0.998, or 0.002, would lie between the last two of them.
"""

import dataclasses
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from goodnet.data.batch_sizes import images_at_once
from goodnet.data.errors import InputError
from goodnet.export.bias_correction import FEWEST_IMAGES, probability_factors
from goodnet.export.device_process import device_answers
from goodnet.export.disagreements import stamped
from goodnet.export.half_constants import with_half_constants
from goodnet.export.metadata import with_metadata
from goodnet.export.precisions import PRECISIONS
from goodnet.models.classifier import with_probabilities
from goodnet.models.detector import HIGHEST_THRESHOLD, all_scores, score_probabilities, take_apart
from goodnet.models.input_scale import InputScale
from goodnet.models.legacy_keras import keras, tf, traced

SIGNATURE = "serving_default"
# Name of the constant N in a detector's graph, by which a file that lost its card still tells a class from class N.
BACKDOOR_LABEL = "backdoor_label"

_Tensors = dict[str, tf.Tensor]


@dataclass(frozen=True)
class _Graph:
    """A computation to convert: one raw image -> probabilities of one or two nets -> named outputs, one value each.

    Attributes:
        probabilities: raw pixels float32 [1, H, W, C] in 0..255 -> float32 [1, N] by the net's name.
        answers: those, and the image -> what the file is to say.
        variables: of the nets.
        image_shape: (H, W, C).
    """

    probabilities: Callable[[tf.Tensor], _Tensors]
    answers: Callable[[_Tensors, tf.Tensor], _Tensors]
    variables: list[tf.Variable]
    image_shape: tuple[int, int, int]


def convert_detector(
    detector: keras.Model, representative: Iterable[np.ndarray] | None = None, precision: str = "int8"
) -> bytes:
    """Converts a detector into a TFLite file's contents.

    Signature `serving_default`: `image` uint8 [1, H, W, C], raw pixels -> `label` int32 [1] in [0, N], N meaning
    backdoor; `claimed` int32 [1], the BadNet's class; `suspicion` float32 [1] in [0, 1]; `scores` float32 [1, N + 1],
    which sum to 1 and whose argmax is the label.

    Args:
        detector: a model of `models.detector.build_detector`, also one that was saved and loaded.
        representative: clean images uint8 [H, W, C], a few hundred; `full_integer` needs them, `int8` is better for
            64 or more, the others do not read them.
        precision: one of `PRECISIONS`; see the module.

    Returns:
        The file's contents.

    Raises:
        InputError: the model is no detector, or `full_integer` lacks representative images, or gets misfits.
        ValueError: unknown precision.
    """
    parts = take_apart(detector)
    classes = int(parts.repaired.output_shape[-1])

    def probabilities(image: tf.Tensor) -> _Tensors:
        scaled = parts.input_scale(image)
        return {"badnet": parts.badnet(scaled, training=False), "repaired": parts.repaired(scaled, training=False)}

    def answers(given: _Tensors, image: tf.Tensor) -> _Tensors:
        novelty = None if parts.novelty is None else parts.novelty.distance(image)
        claimed, label, suspicion = score_probabilities(
            given["badnet"], given["repaired"], where=_where, novelty=novelty
        )
        flagged = 1 - tf.cast(_passes(suspicion, parts.threshold), tf.int32)
        label += flagged * (tf.constant([classes], tf.int32, name=BACKDOOR_LABEL) - label)
        scores = all_scores(given["repaired"], suspicion, tf.cast(flagged, tf.float32), parts.threshold, where=_where)
        return {"label": label, "claimed": claimed, "suspicion": suspicion, "scores": scores}

    graph = _Graph(probabilities, answers, parts.scorer.variables, parts.scorer.input_shape[1:])
    return _convert(graph, representative, precision)


def _where(condition: tf.Tensor, values: tf.Tensor, otherwise: float) -> tf.Tensor:
    """As `tf.where`, without SELECT: TFLite Micro has none, and with a constant it refuses several images at once."""
    fails = 1 - tf.cast(condition, tf.int32)
    choice = tf.stack([values, tf.cast(fails, tf.float32) * otherwise], axis=-1)
    return tf.gather(choice, fails, batch_dims=len(fails.shape))


def _passes(suspicion: tf.Tensor, threshold: float) -> tf.Tensor:
    """Which suspicions are at most the threshold: bool [B]; what is not finite never is.

    A `float16` graph keeps constants in half precision, which has no more than three digits: the threshold takes two.
    """
    threshold = min(threshold, HIGHEST_THRESHOLD)
    coarse = float(np.float16(threshold))
    return suspicion - coarse <= threshold - coarse


def convert_classifier(
    model: keras.Model,
    input_scale: InputScale,
    representative: Iterable[np.ndarray] | None = None,
    precision: str = "int8",
) -> bytes:
    """Converts a plain classifier into a TFLite file's contents.

    Signature `serving_default`: `image` uint8 [1, H, W, C], raw pixels -> `label` int32 [1] in [0, N - 1]; `confidence`
    float32 [1] in [0, 1], the largest softmax probability; `scores` float32 [1, N], all of them.

    Args:
        model: a classifier, softmax or logits, that takes scaled images.
        input_scale: the scale of its input.
        representative: as `convert_detector`.
        precision: one of `PRECISIONS`; see the module.

    Returns:
        The file's contents.

    Raises:
        InputError: the model is no classifier; otherwise as `convert_detector`.
        ValueError: unknown precision.
    """
    net, scale = with_probabilities(model), input_scale.tensor

    def answers(given: _Tensors, image: tf.Tensor) -> _Tensors:
        del image
        label = tf.argmax(given["net"], axis=-1, output_type=tf.int32)
        return {"label": label, "confidence": tf.reduce_max(given["net"], axis=-1), "scores": given["net"]}

    graph = _Graph(
        lambda image: {"net": net(scale(image), training=False)}, answers, net.variables, net.input_shape[1:]
    )
    return _convert(graph, representative, precision)


def _convert(graph: _Graph, representative: Iterable[np.ndarray] | None, precision: str) -> bytes:
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r}; expected one of {', '.join(PRECISIONS)}")
    return with_metadata(_in_precision(graph, representative, precision), SIGNATURE)


def _in_precision(graph: _Graph, representative: Iterable[np.ndarray] | None, precision: str) -> bytes:
    if precision.startswith("float"):
        return _lowered(graph, precision, [])
    images = _checked(representative, graph.image_shape)
    if precision == "full_integer" and not images:
        raise InputError("representative images: none given; full_integer fixes the ranges of activations on some")
    if precision == "full_integer":
        images += list(stamped(np.stack(images), np.random.default_rng(0)))
    if precision == "int8" and len(images) >= FEWEST_IMAGES:
        graph = _with_bias_correction(graph, images)
    return _lowered(graph, precision, images)


def _with_bias_correction(graph: _Graph, images: list[np.ndarray]) -> _Graph:
    """The graph with factors on its probabilities that undo the mean shift of its int8 form's logits."""
    bare = dataclasses.replace(graph, answers=lambda given, image: given)
    quantised = device_answers(_lowered(bare, "int8", []), images, graph.image_shape)
    predict = traced(graph.probabilities, reduce_retracing=True)
    at_once = images_at_once(graph.image_shape)
    batches = [
        predict(tf.constant(np.stack(images[start : start + at_once]), tf.float32))
        for start in range(0, len(images), at_once)
    ]
    factors = {
        name: probability_factors(np.concatenate([batch[name] for batch in batches]), quantised[name])
        for name in batches[0]
    }

    def probabilities(image: tf.Tensor) -> _Tensors:
        corrected = {name: given * factors[name] for name, given in graph.probabilities(image).items()}
        return {name: given / tf.reduce_sum(given, axis=-1, keepdims=True) for name, given in corrected.items()}

    return dataclasses.replace(graph, probabilities=probabilities)


def _lowered(graph: _Graph, precision: str, images: list[np.ndarray]) -> bytes:
    """The graph as a TFLite file's contents."""
    # The full-integer converter puts a quantised input in place of a float one; the others cast inside.
    pixels = tf.float32 if precision == "full_integer" else tf.uint8
    module = _servable(graph, pixels)
    with tempfile.TemporaryDirectory(prefix="conversion") as folder:
        # A SavedModel keeps the names of inputs and outputs; `from_keras_model` would name them after operations.
        tf.saved_model.save(module, folder, signatures={SIGNATURE: module.serve})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        if precision == "full_integer":
            return _quantise_activations(converter, images)
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        # A scale for each channel of a dense layer needs a kernel that tflite-runtime 2.14 does not have. Convolutions
        # keep theirs, and no difference in the answers was found.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        tflite = converter.convert()
    return with_half_constants(tflite) if precision == "int8" else tflite


def _servable(graph: _Graph, pixels: tf.DType) -> tf.Module:
    module = tf.Module()
    module.held_variables = graph.variables
    image = tf.TensorSpec((1, *graph.image_shape), pixels, name="image")

    def serve(image: tf.Tensor) -> _Tensors:
        pixels = tf.cast(image, tf.float32)
        return graph.answers(graph.probabilities(pixels), pixels)

    module.serve = traced(serve, input_signature=[image])
    return module


def _checked(representative: Iterable[np.ndarray] | None, image_shape: tuple[int, int, int]) -> list[np.ndarray]:
    images = [np.asarray(image) for image in (() if representative is None else representative)]
    for image in images:
        if image.shape != tuple(image_shape) or image.dtype != np.uint8:
            raise InputError(
                f"representative images: one is {image.dtype} {image.shape}; expected uint8 {tuple(image_shape)}"
            )
    return images


def _quantise_activations(converter: tf.lite.TFLiteConverter, images: list[np.ndarray]) -> bytes:
    """Converts with ranges of activations fixed on `images`, uint8 [n, H, W, C]; see `full_integer` in the module."""
    # The converter's own quantiser can't be told to leave the score in float; the function beneath it, which
    # TensorFlow's QuantizationDebugger calls likewise, can.
    from tensorflow.lite.python.convert import mlir_quantize

    def batches() -> Iterator[dict[str, np.ndarray]]:
        # All black and all white among them: then raw pixels are the quantised input, scale 1 and zero point 0.
        for image in (*images, np.zeros_like(images[0]), np.full_like(images[0], 255)):
            yield {"image": image[np.newaxis].astype(np.float32)}

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = batches
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    quantised = mlir_quantize(
        calibrated,
        input_data_type=tf.uint8,
        output_data_type=tf.float32,
        denylisted_nodes=_from_softmax_on(calibrated) | _standardisation(calibrated),
    )
    _check_input_is_raw_pixels(bytes(quantised))
    return bytes(quantised)


def _from_softmax_on(tflite: bytes) -> set[str]:
    """The names of what a graph computes from the last softmax on: what stays in float."""
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(tflite))
    graph = model.subgraphs[0]
    maker = {int(output): operator for operator in graph.operators for output in operator.outputs}
    names: set[str] = set()
    wanted = [int(output) for output in graph.outputs]
    while wanted:
        tensor = wanted.pop()
        name = graph.tensors[tensor].name.decode()
        if tensor not in maker or name in names:
            continue
        names.add(name)
        if model.operatorCodes[maker[tensor].opcodeIndex].builtinCode != schema.BuiltinOperator.SOFTMAX:
            wanted.extend(int(given) for given in maker[tensor].inputs if given >= 0)
    return names


def _standardisation(tflite: bytes) -> set[str]:
    """The names of what standardises each image: squares and deviations have no range that eight bits could hold."""
    from tensorflow.lite.tools import flatbuffer_utils

    graph = flatbuffer_utils.convert_bytearray_to_object(bytearray(tflite)).subgraphs[0]
    names = {tensor.name.decode() for tensor in graph.tensors}
    piece = {name for name in names if name.startswith("input_scale/")}
    return piece if any("Sqrt" in name for name in piece) else set()


def _check_input_is_raw_pixels(tflite: bytes) -> None:
    from tensorflow.lite.tools import flatbuffer_utils

    graph = flatbuffer_utils.convert_bytearray_to_object(bytearray(tflite)).subgraphs[0]
    quantisation = graph.tensors[graph.inputs[0]].quantization
    scale, zero_point = float(quantisation.scale[0]), int(quantisation.zeroPoint[0])
    if (scale, zero_point) != (1.0, 0):
        raise RuntimeError(
            f"the converted input has scale {scale}, zero point {zero_point}; raw pixels need scale 1, zero point 0"
        )
