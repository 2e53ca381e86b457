"""Constants of a TFLite graph in half precision, where that loses nothing.

A runtime unpacks such a constant to float32 once, when it opens the file, as it does in a `float16` file. What is
computed stays the same to the last bit.
"""

import numpy as np

# The converter, too, leaves constants of fewer values as they are; what unpacks one takes some hundred bytes.
_FEWEST_VALUES = 1024
_VERSION = 3  # of DEQUANTIZE, the first that takes half precision


def with_half_constants(tflite: bytes) -> bytes:
    """Stores float32 constants whose values half precision has, all of them, in half the bytes.

    Args:
        tflite: contents of a .tflite file with one graph.

    Returns:
        The new contents.
    """
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(tflite))
    (graph,) = model.subgraphs
    # Kernels that multiply in eight bits take their biases, which may be all 0, in float32 alone.
    integer = {place for place, tensor in enumerate(graph.tensors) if tensor.type == schema.TensorType.INT8}
    mixed = {int(place) for one in graph.operators if integer & set(one.inputs) for place in one.inputs}
    unpacking = []
    for number, buffer in enumerate(model.buffers):
        holders = {place: tensor for place, tensor in enumerate(graph.tensors) if tensor.buffer == number}
        if buffer.data is None or mixed & set(holders):
            continue
        if any(one.type != schema.TensorType.FLOAT32 for one in holders.values()):
            continue
        values = np.frombuffer(bytes(buffer.data), "<f4")
        with np.errstate(over="ignore"):
            halves = values.astype("<f2")
        if len(values) < _FEWEST_VALUES or not np.array_equal(halves, values):
            continue
        buffer.data = np.frombuffer(halves.tobytes(), np.uint8)
        for place, tensor in holders.items():
            packed = schema.TensorT()
            packed.name, packed.shape = tensor.name + b"_half", tensor.shape
            packed.type, packed.buffer = schema.TensorType.FLOAT16, number
            tensor.buffer = 0
            operator = schema.OperatorT()
            operator.opcodeIndex = len(model.operatorCodes)
            operator.inputs, operator.outputs = [len(graph.tensors)], [place]
            operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
            operator.builtinOptions = schema.DequantizeOptionsT()
            unpacking.append(operator)
            graph.tensors.append(packed)
    if not unpacking:
        return tflite
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = _VERSION
    model.operatorCodes.append(code)
    graph.operators = unpacking + graph.operators
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))
