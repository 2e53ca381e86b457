"""The part of a network that pruning can change, and what feeds it.

Everything upstream of the first gated convolution is the same whatever is pruned. It is computed once; only the tail is
run again for each number of channels, and only the tail is tuned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from goodnet.models.channels.gates import GateGroup
from goodnet.models.channels.layer_graph import LayerGraph
from goodnet.models.legacy_keras import tf


@dataclass(frozen=True)
class Tail:
    """The tail of one model.

    Attributes:
        graph: the model's layers.
        feeds: names of the layers whose outputs the tail needs, first gate sites included.
        layers: names of the layers to run, in order.
    """

    graph: LayerGraph
    feeds: tuple[str, ...]
    layers: tuple[str, ...]

    def outputs(self, features: Mapping[str, tf.Tensor], masks: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The model's output when channels are masked at the gate sites.

        Args:
            features: the outputs of `feeds` by name, [b, ...].
            masks: float32 [C] by site, 1 for a channel that stays and 0 for one that is closed.
        """
        after = {site: lambda value, mask=mask: value * mask for site, mask in masks.items()}
        return self.graph.run(features, self.layers, after)[self.graph.outputs[0]]


def tail_of(graph: LayerGraph, groups: Sequence[GateGroup]) -> Tail:
    """Finds the tail behind the first gates of a model."""
    sites = [site for group in groups for site in group.sites]
    downstream = set(graph.descendants(sites))
    first_sites = [site for site in sites if site not in downstream]
    layers = tuple(name for name in graph.layers if name in downstream)
    outside = {source for name in layers for source in graph.predecessors[name] if source not in downstream}
    return Tail(graph, tuple(sorted(outside | set(first_sites))), layers)


def tuned_layers(graph: LayerGraph, groups: Sequence[GateGroup]) -> frozenset[str]:
    """Names of the gated convolutions and of everything downstream of them: what a repair may change."""
    convolutions = [name for group in groups for name in group.convolutions]
    return frozenset(convolutions) | frozenset(graph.descendants(convolutions))
