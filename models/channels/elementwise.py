"""Which layers act on every number by itself, so that channels pass through them untouched by one another."""

from goodnet.models.legacy_keras import keras

# fmt: off
_FUNCTIONS = frozenset((
    "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "mish", "swish", "silu", "exponential", "softplus",
    "softsign", "tanh", "sigmoid", "hard_sigmoid",
))
_ACTIVATION_LAYERS = ("ReLU", "LeakyReLU", "PReLU", "ELU", "ThresholdedReLU")
_ARITHMETIC_LAYERS = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
_ACTIVATION_OPS = frozenset((
    "nn.relu", "nn.relu6", "nn.leaky_relu", "nn.elu", "nn.selu", "nn.gelu", "nn.silu", "math.softplus", "nn.softsign",
    "math.tanh", "math.sigmoid",
))
_ARITHMETIC_OPS = frozenset((
    "__operators__.add", "math.add", "math.subtract", "math.multiply", "math.truediv", "math.maximum", "math.minimum",
))
# fmt: on


def activation_is_elementwise(layer: keras.layers.Layer) -> bool:
    """Whether the activation inside a layer acts on each number alone, or there is none; softmax does not."""
    activation = getattr(layer, "activation", None)
    return activation is None or getattr(activation, "__name__", "") in _FUNCTIONS


def has_activation(layer: keras.layers.Layer) -> bool:
    """Whether a layer has an activation inside it other than the identity."""
    return getattr(layer, "activation", None) not in (None, keras.activations.linear)


def is_activation_layer(layer: keras.layers.Layer) -> bool:
    """Whether a layer is an elementwise activation, as a layer of its own or as a TensorFlow operation."""
    kind = type(layer).__name__
    if kind == "Activation":
        return activation_is_elementwise(layer)
    return kind in _ACTIVATION_LAYERS or operation(layer) in _ACTIVATION_OPS


def is_arithmetic_layer(layer: keras.layers.Layer) -> bool:
    """Whether a layer combines tensors, or a tensor and a number, elementwise: Add, Multiply, `x + y`, `x * 2`."""
    return type(layer).__name__ in _ARITHMETIC_LAYERS or operation(layer) in _ARITHMETIC_OPS


def is_product(layer: keras.layers.Layer) -> bool:
    """Whether a layer multiplies its inputs, so that one zero makes the result zero."""
    return type(layer).__name__ == "Multiply" or operation(layer) == "math.multiply"


def operation(layer: keras.layers.Layer) -> str | None:
    """TensorFlow's name of the operation that a layer stands for, as `tf.nn.relu(x)` leaves one; None for others."""
    return layer.symbol if type(layer).__name__ == "TFOpLambda" else None
