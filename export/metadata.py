"""TFLite metadata, by which the tools of the field show a graph's images and name its answers.

The tables are those of TensorFlow's `metadata_schema.fbs` ("TFLite metadata", M001), with what a classifier of images
needs of them: raw RGB or grey pixels in, and `labels.txt` (`export.bundle`) for the scores.
"""

from typing import Any

import flatbuffers

from goodnet.export.bundle import LABELS_NAME

SCORES = "scores"

_NAME, _IDENTIFIER = b"TFLITE_METADATA", b"M001"
# Numbers of fields, members of unions and enumerations in the schema.
_MODEL_NAME, _MODEL_SUBGRAPHS, _MODEL_FIELDS = 0, 3, 8
_GRAPH_INPUTS, _GRAPH_OUTPUTS, _GRAPH_FIELDS = 2, 3, 8
_TENSOR_NAME, _TENSOR_CONTENT, _TENSOR_UNITS, _TENSOR_STATS, _TENSOR_FILES, _TENSOR_FIELDS = 0, 3, 4, 5, 6, 7
_FEATURE_CONTENT, _IMAGE_CONTENT = 1, 2
_RGB, _GREY = 1, 2
_NORMALISATION = 1
_AXIS_LABELS = 2


def with_metadata(tflite: bytes, signature: str) -> bytes:
    """Adds the metadata to a converted graph.

    Args:
        tflite: contents of a .tflite file, of `export.conversion`.
        signature: whose names its inputs and outputs get.

    Returns:
        The new contents.
    """
    model, graph, names = _opened(tflite, signature)
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    channels = int(graph.tensors[graph.inputs[0]].shape[-1])
    buffer = schema.BufferT()
    buffer.data = list(_tables([names[int(place)] for place in graph.outputs], channels))
    entry = schema.MetadataT()
    entry.name, entry.buffer = _NAME, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [one for one in model.metadata or [] if one.name != _NAME] + [entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def with_scores_alone(tflite: bytes, signature: str) -> bytes:
    """The graph without its other outputs, and what computes them: MediaPipe's tasks take no integer for an answer.

    Args:
        tflite: as for `with_metadata`; a card or other files behind the graph are left off.
        signature: its signature, which is left with `SCORES` alone.

    Returns:
        The contents of a file with metadata.
    """
    model, graph, names = _opened(tflite, signature)
    from tensorflow.lite.tools import flatbuffer_utils

    graph.outputs = [place for place in graph.outputs if names[int(place)] == SCORES]
    (found,) = (one for one in model.signatureDefs if one.signatureKey.decode() == signature)
    found.outputs = [one for one in found.outputs if one.name.decode() == SCORES]
    wanted = {int(place) for place in graph.outputs}
    kept = []
    for operator in reversed(graph.operators):
        if wanted & {int(place) for place in operator.outputs}:
            wanted |= {int(place) for place in operator.inputs}
            kept.append(operator)
    graph.operators = kept[::-1]
    return with_metadata(bytes(flatbuffer_utils.convert_object_to_bytearray(model)), signature)


def _opened(tflite: bytes, signature: str) -> tuple[Any, Any, dict[int, str]]:
    """The model and its graph, of TensorFlow's generated classes, and the outputs' names by tensor."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(tflite))
    (found,) = (one for one in model.signatureDefs if one.signatureKey.decode() == signature)
    return model, model.subgraphs[0], {int(one.tensorIndex): one.name.decode() for one in found.outputs}


def _tables(outputs: list[str], channels: int) -> bytes:
    """The metadata of a graph with one image in and the named outputs."""
    builder = flatbuffers.Builder(1024)
    content = _content(builder, _IMAGE_CONTENT, _table(builder, 2, (0, "Int8", _RGB if channels == 3 else _GREY)))
    # Raw pixels: the graph scales them itself.
    mean, deviation = _floats(builder, 0.0), _floats(builder, 1.0)
    options = _table(builder, 2, (0, "Offset", mean), (1, "Offset", deviation))
    unit = _table(builder, 2, (0, "Uint8", _NORMALISATION), (1, "Offset", options))
    highest, lowest = _floats(builder, 255.0), _floats(builder, 0.0)
    image = _table(
        builder,
        _TENSOR_FIELDS,
        (_TENSOR_NAME, "Offset", builder.CreateString("image")),
        (_TENSOR_CONTENT, "Offset", content),
        (_TENSOR_UNITS, "Offset", _vector(builder, [unit])),
        (_TENSOR_STATS, "Offset", _table(builder, 2, (0, "Offset", highest), (1, "Offset", lowest))),
    )
    inputs = _vector(builder, [image])
    graph = _table(
        builder,
        _GRAPH_FIELDS,
        (_GRAPH_INPUTS, "Offset", inputs),
        (_GRAPH_OUTPUTS, "Offset", _vector(builder, [_output(builder, name) for name in outputs])),
    )
    graphs = _vector(builder, [graph])
    name = builder.CreateString("GoodNet")
    root = _table(builder, _MODEL_FIELDS, (_MODEL_NAME, "Offset", name), (_MODEL_SUBGRAPHS, "Offset", graphs))
    builder.Finish(root, _IDENTIFIER)
    return bytes(builder.Output())


def _output(builder: flatbuffers.Builder, name: str) -> int:
    content = _content(builder, _FEATURE_CONTENT, _table(builder, 0))
    fields = [(_TENSOR_NAME, "Offset", builder.CreateString(name)), (_TENSOR_CONTENT, "Offset", content)]
    if name == SCORES:
        labels = builder.CreateString(LABELS_NAME)
        files = _vector(builder, [_table(builder, 4, (0, "Offset", labels), (2, "Int8", _AXIS_LABELS))])
        fields.append((_TENSOR_FILES, "Offset", files))
    return _table(builder, _TENSOR_FIELDS, *fields)


def _content(builder: flatbuffers.Builder, kind: int, properties: int) -> int:
    return _table(builder, 3, (0, "Uint8", kind), (1, "Offset", properties))


def _table(builder: flatbuffers.Builder, count: int, *fields: tuple[int, str, int]) -> int:
    """A table of so many fields: (number, "Offset" or a type of numbers, value); what values refer to is there."""
    builder.StartObject(count)
    for number, kind, value in fields:
        if kind == "Offset":
            builder.PrependUOffsetTRelativeSlot(number, value, 0)
        else:
            getattr(builder, f"Prepend{kind}Slot")(number, value, 0)
    return int(builder.EndObject())


def _vector(builder: flatbuffers.Builder, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _floats(builder: flatbuffers.Builder, value: float) -> int:
    builder.StartVector(4, 1, 4)
    builder.PrependFloat32(value)
    return int(builder.EndVector())
