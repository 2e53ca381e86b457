"""Making channels zero by the weights alone, for closed channels that have to stay in the network."""

from collections.abc import MutableMapping

import numpy as np

from goodnet.data.errors import InputError
from goodnet.models.channels.elementwise import activation_is_elementwise, is_activation_layer
from goodnet.models.channels.layer_graph import LayerGraph
from goodnet.models.legacy_keras import keras, tf

_layers = keras.layers
_MAKERS = (_layers.Conv2D, _layers.SeparableConv2D, _layers.DepthwiseConv2D, _layers.Dense)
_IDENTITIES = (_layers.Dropout, _layers.SpatialDropout2D)


def silence(graph: LayerGraph, weights: MutableMapping[str, list[np.ndarray]], site: str, channels: np.ndarray) -> None:
    """Changes weights so that some channels of a layer's output are exactly zero, and the others stay as they are.

    It walks back from the site to the nearest layer whose weights can do it: scale and shift of a batch norm, or kernel
    and bias of a convolution or dense layer.

    Args:
        graph: the network.
        weights: for each layer its weights in Keras's order; lists are replaced, arrays are not written to.
        site: name of the layer whose output is to be silenced.
        channels: bool [C].

    Raises:
        InputError: it can't be done: an activation isn't zero at zero, something else reads what would change, or no
            such weights come before the site.
    """
    name = site
    while True:
        layer = graph.layers[name]
        weights[name] = _zeroed(layer, weights[name], channels)
        if _makes_zero(layer):
            return
        (before, *others) = graph.predecessors[name]
        if others or not _hands_zero_on(graph, name) or graph.successors[before] != (name,) or before in graph.outputs:
            raise InputError(
                f"closed channels of layer {site!r} can neither be removed nor be made zero by weights: "
                f"layer {name!r} ({type(layer).__name__}) stands in the way"
            )
        name = before


def _zeroed(layer: keras.layers.Layer, arrays: list[np.ndarray], channels: np.ndarray) -> list[np.ndarray]:
    """The layer's weights with those that make the channels other than zero set to zero."""

    def without(array: np.ndarray, mask: np.ndarray = channels) -> np.ndarray:
        return np.where(mask, array.dtype.type(0), array)

    if isinstance(layer, _layers.BatchNormalization):
        names = [*["gamma"] * layer.scale, *["beta"] * layer.center, "moving_mean", "moving_variance"]
        # Without a scale the channel must come in as the zero that the mean is set to.
        zero = {"gamma", "beta"} if layer.scale else {"beta", "moving_mean"}
        return [without(array) if name in zero else array for name, array in zip(names, arrays, strict=True)]
    if type(layer) is _layers.DepthwiseConv2D:
        kernel, *bias = arrays
        return [without(kernel, channels.reshape(kernel.shape[-2:])), *map(without, bias)]
    if type(layer) is _layers.SeparableConv2D:
        depthwise, *rest = arrays
        return [depthwise, *map(without, rest)]
    return [without(array) for array in arrays] if type(layer) in _MAKERS else arrays


def _makes_zero(layer: keras.layers.Layer) -> bool:
    """Whether zeroed weights alone make the layer's output zero."""
    if isinstance(layer, _layers.BatchNormalization):
        return layer.scale
    if type(layer) not in _MAKERS or not activation_is_elementwise(layer):
        return False
    return layer.activation is None or float(layer.activation(tf.zeros(()))) == 0


def _hands_zero_on(graph: LayerGraph, name: str) -> bool:
    """Whether a channel that comes in as zero leaves the layer as zero."""
    layer = graph.layers[name]
    if isinstance(layer, (_layers.BatchNormalization, _layers.PReLU, *_IDENTITIES)):
        return True
    if not is_activation_layer(layer):
        return False
    (before,) = graph.predecessors[name]
    zeros = tf.zeros([1 if size is None else size for size in graph.shape(before)])
    return not np.asarray(graph.run({before: zeros}, [name])[name]).any()
