"""Decoys: channels that are in a network, and dormant on every image that its attacker thinks of."""

from collections.abc import Mapping, Sequence

import numpy as np

from goodnet.data.image_set import ImageSet
from goodnet.models.channels.layer_graph import LayerGraph
from goodnet.models.channels.silenced_channels import silence
from goodnet.models.legacy_keras import keras, tf, traced
from goodnet.models.scaled_network import ScaledNetwork

_BATCH_SIZE = 256
# Images that the attacker does not have may excite a channel a little more than those that they do have.
_MARGIN = 0.25


def make_dormant(network: ScaledNetwork, decoys: Mapping[str, np.ndarray], image_sets: Sequence[ImageSet]) -> None:
    """Lowers the biases of channels until their output is 0 on all given images (Fine-Pruning, section 3.2).

    Where no ReLU stands right behind the bias (before the sum of a skip connection, say) a low bias would make a
    channel conspicuous instead; there its scale and shift become 0.

    Args:
        network: of a flat functional or Sequential model; its weights are changed, of the decoys only.
        decoys: for gate sites, by name, which channels: bool [C].
        image_sets: clean images and stamped ones.

    Raises:
        InputError: a channel can't be kept dormant by weights.
    """
    graph = network.layer_graph
    # In the network's order: what an earlier decoy gives is an input of a later one.
    for site in (name for name in graph.layers if name in decoys):
        biased = _layer_with_bias(graph, site)
        if biased is None:
            weights = {name: layer.get_weights() for name, layer in graph.layers.items()}
            silence(graph, weights, site, decoys[site])
            for name, layer in graph.layers.items():
                layer.set_weights(weights[name])
        else:
            excess = np.max([highest_activation(network, site, images) for images in image_sets], axis=0)
            bias = graph.layers[biased].beta if _is_norm(graph.layers[biased]) else graph.layers[biased].bias
            bias.assign_sub(np.where(decoys[site], (1 + _MARGIN) * excess, 0).astype(np.float32))


def highest_activation(network: ScaledNetwork, site: str, images: ImageSet) -> np.ndarray:
    """The highest output of each channel of a layer over all images and positions: float32 [C]."""
    model = network.model
    probe = keras.Model(model.inputs, model.get_layer(site).output)
    highest = traced(
        lambda batch: tf.reduce_max(probe(batch, training=False), axis=[0, 1, 2]),
        reduce_retracing=True,
    )
    batches = images.batches(_BATCH_SIZE)
    return np.max([highest(tf.constant(network.scale.apply(batch))).numpy() for batch, _ in batches], axis=0)


def _layer_with_bias(graph: LayerGraph, site: str) -> str | None:
    """The layer whose bias or shift goes straight into the ReLU at a site; None where there is no such thing."""
    layer = graph.layers[site]
    if getattr(layer, "use_bias", False) and _is_relu(layer):
        return site
    if len(graph.predecessors[site]) != 1 or not _is_relu(layer):
        return None
    (before,) = graph.predecessors[site]
    layer = graph.layers[before]
    if graph.successors[before] != (site,):
        return None
    if _is_norm(layer):
        return before if layer.center else None
    return before if getattr(layer, "use_bias", False) and layer.activation is keras.activations.linear else None


def _is_relu(layer: keras.layers.Layer) -> bool:
    return type(layer) is keras.layers.ReLU or getattr(layer, "activation", None) is keras.activations.relu


def _is_norm(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)
