"""How channels run through a network: which are tied together, and which are constant once some are closed.

One forward walk over the layers gives each tensor two vectors along its last axis: the *channel* that an entry carries
(an identity that batch norm, activation, pooling, flattening and so on hand on, and that an addition ties to another)
and the *constant* that it is at every position of every image, NaN where it varies. Closing a channel makes it the
constant 0; a batch norm after that makes it another constant; a convolution or dense layer takes it in, and that is
where a constant can be folded into a bias.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from goodnet.data.errors import InputError
from goodnet.models.channels.elementwise import (
    activation_is_elementwise,
    is_activation_layer,
    is_arithmetic_layer,
    is_product,
)
from goodnet.models.channels.layer_graph import LayerGraph
from goodnet.models.channels.ties import ChannelTies
from goodnet.models.legacy_keras import keras, tf


@dataclass(frozen=True)
class Channels:
    """The channels along the last axis of one tensor.

    Attributes:
        ids: int64 [C], the channel that each entry carries. After a Flatten a channel comes once for each position.
        constants: float32 [C], the value where it is the same everywhere, else NaN.
    """

    ids: np.ndarray
    constants: np.ndarray

    @property
    def varies(self) -> np.ndarray:
        """Which entries are not known to be constant: bool [C]."""
        return np.isnan(self.constants)


@dataclass(frozen=True)
class ChannelFlow:
    """The channels of every tensor of a model; see `trace_channels`."""

    graph: LayerGraph
    closed: Mapping[str, np.ndarray]
    channels: dict[str, Channels] = field(default_factory=dict)
    ties: ChannelTies = field(default_factory=ChannelTies)

    def roots(self, name: str) -> np.ndarray:
        """For each output channel of a layer, the channel that represents all that are tied to it: int64 [C]."""
        return self.ties.roots(self.channels[name].ids)

    def read(self, name: str) -> list[Channels]:
        """The channels of each tensor that a layer reads."""
        return [self.channels[source] for source in self.graph.predecessors[name]]

    def size(self, name: str) -> int:
        """Length of the last axis of a layer's output; 1 for a tensor that has none but the batch."""
        shape = self.graph.shape(name)
        size = shape[-1] if len(shape) > 1 else 1
        if size is None:
            raise InputError(f"layer {name!r} gives {shape}: the number of channels must be known")
        return size


def trace_channels(graph: LayerGraph, closed: Mapping[str, np.ndarray] | None = None) -> ChannelFlow:
    """Follows the channels through a network.

    Layers of a kind that is not known here take in what they read and hold it: channels that reach one are never
    removed, and nothing is assumed about what comes out.

    Args:
        graph: the network.
        closed: for some layers which of their output's channels are closed (set to zero): bool [C].

    Raises:
        InputError: a layer works on channels first, or `closed` doesn't fit the network.
    """
    flow = ChannelFlow(graph, closed or {})
    for name, mask in flow.closed.items():
        if name not in graph.layers or np.shape(mask) != (flow.size(name),):
            raise InputError(
                f"closed channels of {name!r}, shape {np.shape(mask)}: no layer's output has such channels"
            )
    for name, layer in graph.layers.items():
        if getattr(layer, "data_format", None) == "channels_first":
            raise InputError(f"layer {name!r} has its channels first: only data_format channels_last is supported")
        channels = _rule(layer)(flow, name)
        if name in flow.closed:
            channels = Channels(channels.ids, np.where(flow.closed[name], np.float32(0), channels.constants))
        flow.channels[name] = channels
    for name in graph.outputs:
        flow.ties.hold(flow.channels[name].ids, "it is an output of the model")
    return flow


def folds_exactly(layer: keras.layers.Layer) -> bool:
    """Whether a nonzero constant input of a layer gives the same value at every position of its output.

    Zero padding breaks that: at the border some taps see zeros instead.
    """
    kernel = getattr(layer, "kernel_size", (1,))
    return getattr(layer, "padding", "valid") == "valid" or all(taps == 1 for taps in kernel)


Rule = Callable[[ChannelFlow, str], Channels]


def _rule(layer: keras.layers.Layer) -> Rule:
    if type(layer) in _RULES:
        return _RULES[type(layer)]
    return _elementwise if is_activation_layer(layer) or is_arithmetic_layer(layer) else _unknown


def _unknown(flow: ChannelFlow, name: str) -> Channels:
    reason = f"layer {name!r} ({type(flow.graph.layers[name]).__name__}) may mix channels"
    for channels in flow.read(name):
        flow.ties.hold(channels.ids, reason)
    made = _made(flow, name)
    flow.ties.hold(made.ids, reason)
    return made


def _made(flow: ChannelFlow, name: str) -> Channels:
    count = flow.size(name)
    return Channels(flow.ties.new(count), np.full(count, np.nan, np.float32))


def _input(flow: ChannelFlow, name: str) -> Channels:
    made = _made(flow, name)
    flow.ties.hold(made.ids, f"it is of the model's input {name!r}")
    return made


def _mixing(flow: ChannelFlow, name: str) -> Channels:
    """Convolution or dense layer: takes its channels in and makes new ones."""
    layer = flow.graph.layers[name]
    if getattr(layer, "groups", 1) != 1:
        return _unknown(flow, name)
    (read,) = flow.read(name)
    flow.ties.hold(read.ids[read.varies], f"layer {name!r} reads it, and it is not constant there")
    if not folds_exactly(layer):
        shifted = ~read.varies & (read.constants != 0)
        flow.ties.hold(
            read.ids[shifted], f"layer {name!r} pads it with zeros, and it is a constant other than zero there"
        )
    made = _made(flow, name)
    if not activation_is_elementwise(layer):
        flow.ties.hold(made.ids, f"the activation of layer {name!r} mixes channels")
    return made


def _depthwise(flow: ChannelFlow, name: str) -> Channels:
    """Each channel gives `depth_multiplier` output channels, which are kept or removed with it."""
    layer = flow.graph.layers[name]
    if not activation_is_elementwise(layer):
        return _unknown(flow, name)
    (read,) = flow.read(name)
    taps = layer.depthwise_kernel.numpy().sum(axis=(0, 1))
    sums = read.constants[:, None] * taps
    if not folds_exactly(layer):
        sums[read.constants != 0] = np.nan
    constants = sums.reshape(-1) + (layer.bias.numpy() if layer.use_bias else 0)
    return Channels(
        np.repeat(read.ids, layer.depth_multiplier),
        _constants_through(lambda value: layer.activation(value), [constants], rank=2),
    )


def _elementwise(flow: ChannelFlow, name: str) -> Channels:
    """Activation, batch norm, Add and their like: channel i of the output comes from the channels i of the inputs."""
    graph = flow.graph
    read = flow.read(name)
    sources = graph.predecessors[name]
    numbers = [argument for argument in graph.fixed_arguments(name) if argument is not None]
    alike = {(len(graph.shape(source)), flow.size(source)) for source in sources} == {
        (len(graph.shape(name)), flow.size(name))
    }
    if not alike or any(np.ndim(number) for number in numbers):
        return _unknown(flow, name)
    for other in read[1:]:
        flow.ties.join(read[0].ids, other.ids)
    constants = _constants_through(
        lambda *values: graph.run(dict(zip(sources, values, strict=True)), [name])[name],
        [channels.constants for channels in read],
        rank=len(graph.shape(name)),
    )
    if is_product(graph.layers[name]):
        zero = np.any([channels.constants == 0 for channels in read], axis=0)
        constants = np.where(zero, np.float32(0), constants)
    return Channels(read[0].ids, constants)


def _batch_norm(flow: ChannelFlow, name: str) -> Channels:
    layer = flow.graph.layers[name]
    last_axis = len(flow.graph.shape(name)) - 1
    return _elementwise(flow, name) if list(tf.nest.flatten(layer.axis)) == [last_axis] else _unknown(flow, name)


def _rescaling(flow: ChannelFlow, name: str) -> Channels:
    layer = flow.graph.layers[name]
    same_for_all = np.ndim(layer.scale) == 0 and np.ndim(layer.offset) == 0
    return _elementwise(flow, name) if same_for_all else _unknown(flow, name)


def _positions(flow: ChannelFlow, name: str) -> Channels:
    """Pooling, dropout, cropping: these change positions, but neither channels nor constants."""
    return flow.read(name)[0]


def _zero_padding(flow: ChannelFlow, name: str) -> Channels:
    (read,) = flow.read(name)
    return Channels(read.ids, np.where(read.constants == 0, read.constants, np.float32(np.nan)))


def _flatten(flow: ChannelFlow, name: str) -> Channels:
    (read,) = flow.read(name)
    positions = flow.size(name) // len(read.ids)
    return Channels(np.tile(read.ids, positions), np.tile(read.constants, positions))


def _reshape(flow: ChannelFlow, name: str) -> Channels:
    """Handles a reshape that flattens, or that keeps the last axis."""
    source = flow.graph.predecessors[name][0]
    if flow.size(name) == flow.size(source):
        return _positions(flow, name)
    return _flatten(flow, name) if len(flow.graph.shape(name)) == 2 else _unknown(flow, name)


def _concatenate(flow: ChannelFlow, name: str) -> Channels:
    rank = len(flow.graph.shape(name))
    if flow.graph.layers[name].axis not in (-1, rank - 1):
        return _unknown(flow, name)
    read = flow.read(name)
    return Channels(
        np.concatenate([channels.ids for channels in read]),
        np.concatenate([channels.constants for channels in read]),
    )


def _softmax(flow: ChannelFlow, name: str) -> Channels:
    """Mixes channels but keeps their order, so a convolution that makes the classes still counts as the classifier."""
    (read,) = flow.read(name)
    flow.ties.hold(read.ids, f"layer {name!r} mixes channels")
    return Channels(read.ids, np.full_like(read.constants, np.nan))


def _activation(flow: ChannelFlow, name: str) -> Channels:
    layer = flow.graph.layers[name]
    if layer.activation is keras.activations.softmax:
        return _softmax(flow, name)
    return _elementwise(flow, name) if activation_is_elementwise(layer) else _unknown(flow, name)


def _prelu(flow: ChannelFlow, name: str) -> Channels:
    """Has a slope for each position, and passes on what is not negative."""
    (read,) = flow.read(name)
    return Channels(read.ids, np.where(read.constants >= 0, read.constants, np.float32(np.nan)))


def _constants_through(function: Callable[..., tf.Tensor], constants: list[np.ndarray], rank: int) -> np.ndarray:
    """Applies an elementwise function of tensors to constants: float32 [C], NaN where an input or the result varies."""
    varies = np.any([np.isnan(values) for values in constants], axis=0)
    shape = (1,) * (rank - 1) + varies.shape
    images = [tf.constant(np.where(varies, np.float32(0), values).reshape(shape)) for values in constants]
    result = np.asarray(tf.cast(function(*images), tf.float32)).reshape(varies.shape)
    return np.where(varies, np.float32(np.nan), result)


_layers = keras.layers
_RULES: dict[type, Rule] = {
    _layers.InputLayer: _input,
    _layers.Conv2D: _mixing,
    _layers.SeparableConv2D: _mixing,
    _layers.Dense: _mixing,
    _layers.DepthwiseConv2D: _depthwise,
    _layers.BatchNormalization: _batch_norm,
    _layers.Rescaling: _rescaling,
    _layers.ZeroPadding2D: _zero_padding,
    _layers.Flatten: _flatten,
    _layers.Reshape: _reshape,
    _layers.Concatenate: _concatenate,
    _layers.Softmax: _softmax,
    _layers.Activation: _activation,
    _layers.PReLU: _prelu,
    **dict.fromkeys(
        (
            _layers.MaxPooling2D,
            _layers.AveragePooling2D,
            _layers.GlobalMaxPooling2D,
            _layers.GlobalAveragePooling2D,
            _layers.GlobalMaxPooling1D,
            _layers.GlobalAveragePooling1D,
            _layers.Dropout,
            _layers.SpatialDropout2D,
            _layers.GaussianNoise,
            _layers.GaussianDropout,
            _layers.ActivityRegularization,
            _layers.UpSampling2D,
            _layers.Cropping2D,
        ),
        _positions,
    ),
}
