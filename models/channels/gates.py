"""Gates that close channels on tfmot's schedule, the least active first.

tfmot prunes the smallest numbers of the weights it is shown. A `ChannelGate` shows it one vector, each channel's rank
by mean clean activation, and lets a channel through only while its number is not pruned: `prune_low_magnitude`, a
`PolynomialDecay` and `UpdatePruningStep` then close the least active channels first, step by step, and `strip_pruning`
takes the wrapper off. This is the pruning step of Fine-Pruning (Liu, Dolan-Gavitt, Garg, RAID 2018), done by tfmot. A
closed channel is exactly zero, which a zeroed kernel is not: its bias, or the shift of a batch norm, would still flow.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodnet.data.errors import InputError
from goodnet.models.channels.elementwise import has_activation, is_activation_layer
from goodnet.models.channels.flow import ChannelFlow, trace_channels
from goodnet.models.channels.layer_graph import LayerGraph, takes_training
from goodnet.models.channels.silenced_channels import silence
from goodnet.models.legacy_keras import keras, tf, tfmot
from goodnet.models.model_copy import copy_architecture, copy_layer
from goodnet.models.own_names import own_name

Shape = tuple[int | None, ...]
CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.SeparableConv2D)


@dataclass(frozen=True)
class GateGroup:
    """Convolutions whose output channels are tied by skip connections, and so share one ranking.

    Attributes:
        name: name of the first of them in topological order.
        convolutions: their names, in topological order; one where nothing is tied.
        sites: for each convolution the layer whose output is gated (see `gate_site`).
        channels: number of channels, the same for all of them.
    """

    name: str
    convolutions: tuple[str, ...]
    sites: tuple[str, ...]
    channels: int


class ChannelGate(keras.layers.Wrapper, tfmot.sparsity.keras.PrunableLayer):
    """A layer whose output channels can be closed one by one.

    Attributes:
        layer: the wrapped layer; trainable or not as it was.
        rank: float32 [C], not trainable: (rank + 1) / C by mean clean activation, 1 for the most active channel. tfmot
            sets the smallest to 0, and a channel whose number is 0 is closed: it gives exactly 0.
    """

    def __init__(self, layer: keras.layers.Layer, **kwargs: Any) -> None:
        kwargs.setdefault("name", own_name(f"gate_{layer.name}"))
        super().__init__(layer, **kwargs)
        if not hasattr(self, "_batch_input_shape") and hasattr(layer, "_batch_input_shape"):
            self._batch_input_shape = layer._batch_input_shape  # first layer of a Sequential model without an Input

    def build(self, input_shape: Shape) -> None:
        """Builds the wrapped layer and makes the vector of ranks, all channels open."""
        super().build(input_shape)
        channels = self.layer.compute_output_shape(input_shape)[-1]
        self.rank = self.add_weight("rank", (channels,), tf.float32, initializer="ones", trainable=False)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The wrapped layer's output with closed channels zero."""
        output = self.layer(inputs, training=training) if takes_training(self.layer) else self.layer(inputs)
        return output * tf.cast(self.rank > 0, output.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The wrapped layer's."""
        return self.layer.compute_output_shape(input_shape)

    def get_prunable_weights(self) -> list[tf.Variable]:
        """What tfmot prunes: the ranks alone, never the wrapped layer's weights."""
        return [self.rank]

    @property
    def non_trainable_weights(self) -> list[tf.Variable]:
        """Those of the wrapped layer; tfmot's wrapper lists the ranks as its own, and HDF5 takes no weight twice."""
        return [weight for weight in super().non_trainable_weights if weight is not self.rank]

    @property
    def trainable(self) -> bool:
        """Whether the wrapped layer is trained; the ranks never are."""
        return self.layer.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.layer.trainable = value


def gate_site(graph: LayerGraph, convolution: str) -> str:
    """Name of the layer after which a convolution's channels are gated.

    It is the last of the chain convolution, batch norm, activation, as far as each has no other reader: what is closed
    is then what the rest of the network sees. Of a convolution with an activation inside it is the convolution itself,
    even when a batch norm follows (which turns a closed channel into a constant).
    """
    site = convolution
    if has_activation(graph.layers[site]):
        return site
    reader = _only_reader(graph, site)
    if reader and isinstance(graph.layers[reader], keras.layers.BatchNormalization):
        site, reader = reader, _only_reader(graph, reader)
    return reader if reader and is_activation_layer(graph.layers[reader]) else site


def default_gated_convolutions(graph: LayerGraph) -> tuple[str, ...]:
    """Every convolution that reaches the output without passing another one, in topological order.

    In DeepID these are conv_3 and conv_4, because fc_1 reads conv_3 directly. A convolution whose channels are the
    model's classes is the classifier itself (as in SqueezeNet) and is passed over; depthwise convolutions keep channels
    apart and count as part of the convolution before them.

    Raises:
        InputError: no convolution can be gated.
    """
    gateable = _gateable_convolutions(graph, trace_channels(graph))
    found: set[str] = set()
    seen: set[str] = set()
    pending = list(graph.outputs)
    while pending:
        name = pending.pop()
        if name in gateable:
            found.add(name)
        elif name not in seen:
            seen.add(name)
            pending.extend(graph.predecessors[name])
    if not found:
        raise InputError(
            f"model {graph.model_name!r} has no Conv2D or SeparableConv2D before its classifier whose channels can be"
            " closed: nothing to prune"
        )
    return tuple(name for name in graph.layers if name in found)


def gate_groups(graph: LayerGraph, convolutions: Iterable[str]) -> tuple[GateGroup, ...]:
    """The groups of tied convolutions that the given ones belong to, in topological order.

    Where an Add ties the channels of several convolutions, the whole tie is one group, also when only one of its
    convolutions was asked for: closing a channel of one summand silences nothing, and only channels that are closed in
    all of them can be removed. Convolutions that are joined by a Concatenate stay apart.

    Args:
        graph: a model's layers.
        convolutions: names of Conv2D or SeparableConv2D layers.

    Raises:
        InputError: a name is not that of such a layer, or is that of the classifier.
    """
    flow = trace_channels(graph)
    gateable = _gateable_convolutions(graph, flow)
    ties = {name: tuple(flow.roots(name)) for name in gateable}
    groups: dict[tuple[int, ...], GateGroup] = {}
    for name in convolutions:
        if name not in gateable:
            raise InputError(f"layer {name!r} can't be gated: expected one of {', '.join(gateable) or 'none'}")
        tied = tuple(other for other in gateable if ties[other] == ties[name])
        sites = tuple(gate_site(graph, other) for other in tied)
        groups[ties[name]] = GateGroup(tied[0], tied, sites, channels=len(ties[name]))
    return tuple(sorted(groups.values(), key=lambda group: gateable.index(group.name)))


def group_activation(group: GateGroup, activation_by_site: Mapping[str, np.ndarray]) -> np.ndarray:
    """Mean activation of a group's channels: what its sites add to the tied channels, summed.

    Args:
        group: the group.
        activation_by_site: for each site the mean over clean images and positions of the output's absolute value, [C].
            (After a ReLU that is the mean activation of Fine-Pruning; a batch norm before an Add gives both signs.)

    Returns:
        float64 [C].
    """
    return np.sum([np.asarray(activation_by_site[site], np.float64) for site in group.sites], axis=0)


def rank_channels(mean_activation: np.ndarray) -> np.ndarray:
    """Ranks with which tfmot closes the least active channels first.

    The activation itself would fail: with half the channels dead, tfmot's threshold ties at zero and closes half where
    less was asked. Ranks are positive and distinct.

    Args:
        mean_activation: [C], any real numbers. Of channels that are equally active the one of lower index closes first.

    Returns:
        float32 [C]: (rank + 1) / C, in (0, 1], each once.

    Raises:
        InputError: not a vector, or with entries that are not finite.
    """
    activation = np.asarray(mean_activation)
    if activation.ndim != 1 or activation.size == 0 or not np.isfinite(activation).all():
        raise InputError(f"mean activation of shape {activation.shape}: expected one finite number for each channel")
    ranks = np.empty(activation.size, np.float32)
    ranks[np.argsort(activation, kind="stable")] = np.arange(1, activation.size + 1)
    return ranks / np.float32(activation.size)


def expected_closed(channels: int, sparsity: float) -> int:
    """How many of a gate's channels tfmot closes at an asked sparsity.

    It keeps round(C * (1 - sparsity)) of them, computed in float32 with halves rounded to even, and at least one.

    Args:
        channels: C, number of channels.
        sparsity: asked share, in [0, 1).
    """
    kept = np.rint(np.float32(channels) * (np.float32(1) - np.float32(sparsity)))
    return channels - max(int(kept), 1)


def add_gates(
    model: keras.Model,
    groups: Sequence[GateGroup],
    ranks: Mapping[str, np.ndarray],
    schedule: tfmot.sparsity.keras.PruningSchedule,
) -> keras.Model:
    """A copy of a model with gates that tfmot closes on a schedule.

    While all gates are open the copy computes exactly what the model does. Train it with
    `tfmot.sparsity.keras.UpdatePruningStep()` among the callbacks (tfmot raises without it). tfmot's step counts from 1
    in the first batch and the gates of a step take effect in that batch; they change at the steps begin + k * frequency
    up to and including end. So end must be a multiple of frequency after begin, and at most the number of steps, or the
    final sparsity is never reached; `gate_sparsity` says what was. Under `tf.distribute`, call it in the strategy's
    scope.

    Args:
        model: a flat functional or Sequential model; stays as it is.
        groups: those of its groups to gate (`gate_groups`).
        ranks: for each of them, by its name, the numbers of `rank_channels`, float32 [C].
        schedule: sparsity asked of each gate by step, for example `PolynomialDecay`.

    Returns:
        An uncompiled model with the same layers and trainable flags, gated ones inside wrappers.

    Raises:
        InputError: a name is not that of a group, or a group's ranks are not C positive numbers.
    """
    if {group.name for group in groups} != set(ranks):
        raise InputError(f"ranks for {', '.join(ranks)}: expected for {', '.join(group.name for group in groups)}")
    for group in groups:
        if np.shape(ranks[group.name]) != (group.channels,) or not np.all(np.asarray(ranks[group.name]) > 0):
            raise InputError(f"ranks of {group.name!r}: expected {group.channels} positive numbers")
    rank_of_site = {site: ranks[group.name] for group in groups for site in group.sites}

    def gated_copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        copy = copy_layer(layer)
        if layer.name not in rank_of_site:
            return copy
        return tfmot.sparsity.keras.prune_low_magnitude(ChannelGate(copy), pruning_schedule=schedule)

    gated = copy_architecture(model, gated_copy)
    _copy_weights(model, gated)
    for site, gate in _gates(gated).items():
        gate.rank.assign(rank_of_site[site])
    return gated


def hold_closed(model: keras.Model, closed: Mapping[str, np.ndarray]) -> keras.Model:
    """A copy of a model in which some channels stay closed, whatever it is trained on; `strip_gates` opens them again.

    A closed channel gets no gradient, and neither do the weights that read it: they stay as they are.

    Args:
        model: a flat functional or Sequential model; stays as it is.
        closed: for some gate sites, by name, which channels are closed: bool [C].

    Returns:
        An uncompiled model with the same layers, those at the sites inside gates that no schedule moves.

    Raises:
        InputError: a name is not that of a layer.
    """
    if unknown := set(closed) - {layer.name for layer in model.layers}:
        raise InputError(f"layer {sorted(unknown)[0]!r}: not in model {model.name!r}; expected one of its layers")
    gated = copy_architecture(
        model, lambda layer: ChannelGate(copy_layer(layer)) if layer.name in closed else copy_layer(layer)
    )
    _copy_weights(model, gated)
    for site, gate in _gates(gated).items():
        gate.rank.assign(np.where(closed[site], 0, 1).astype(np.float32))
    return gated


def plain_layers(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """All layers of a model by name, in its order; for a gate, the layer inside it."""
    return {layer.name: layer for layer in map(_unwrapped, model.layers)}


def closed_channels(gated_model: keras.Model) -> dict[str, np.ndarray]:
    """The channels that are closed now, by name of the gate site: bool [C]."""
    return {site: gate.rank.numpy() == 0 for site, gate in _gates(gated_model).items()}


def gate_sparsity(gated_model: keras.Model) -> dict[str, float]:
    """The share of channels that are closed now, by name of the gate site, in [0, 1)."""
    return {site: float(closed.mean()) for site, closed in closed_channels(gated_model).items()}


def strip_gates(gated_model: keras.Model) -> keras.Model:
    """The model without gates: plain Keras, all channels there and open, weights as trained.

    Read `closed_channels` first: the stripped model doesn't know them. It is a copy that shares no weight with the
    gated model.
    """
    bare = tfmot.sparsity.keras.strip_pruning(gated_model)
    plain = copy_architecture(bare, lambda layer: copy_layer(_unwrapped(layer)))
    _copy_weights(gated_model, plain)
    return plain


def _gateable_convolutions(graph: LayerGraph, flow: ChannelFlow) -> tuple[str, ...]:
    classes = {root for name in graph.outputs for root in flow.roots(name)}
    ties = {
        name: tuple(flow.roots(name))
        for name, layer in graph.layers.items()
        if type(layer) in CONVOLUTIONS and classes.isdisjoint(flow.roots(name))
    }
    return tuple(name for name in ties if _can_be_closed(graph, name, [one for one in ties if ties[one] == ties[name]]))


def _can_be_closed(graph: LayerGraph, convolution: str, tied: Sequence[str]) -> bool:
    """Whether weights alone, or else removal from the tie, can keep a gate's closed channels at zero."""
    site = gate_site(graph, convolution)
    channels = np.ones(graph.shape(site)[-1] or 0, bool)
    try:
        silence(graph, _OwnWeights(graph), site, channels)
    except InputError:
        flow = trace_channels(graph, {gate_site(graph, one): channels for one in tied})
        return flow.ties.held().keys().isdisjoint(flow.roots(site).tolist())
    return True


class _OwnWeights(dict[str, list[np.ndarray]]):
    """The weights of each layer that is asked for."""

    def __init__(self, graph: LayerGraph) -> None:
        super().__init__()
        self._graph = graph

    def __missing__(self, name: str) -> list[np.ndarray]:
        return list(self._graph.layers[name].get_weights())


def _only_reader(graph: LayerGraph, name: str) -> str | None:
    readers = graph.successors[name]
    if len(readers) != 1 or name in graph.outputs or graph.predecessors[readers[0]] != (name,):
        return None
    return readers[0]


def _unwrapped(layer: keras.layers.Layer) -> keras.layers.Layer:
    while isinstance(layer, ChannelGate) or _is_pruning_wrapper(layer):
        layer = layer.layer
    return layer


def _is_pruning_wrapper(layer: keras.layers.Layer) -> bool:
    return type(layer).__name__ == "PruneLowMagnitude"  # tfmot makes it, and doesn't export it


def _gates(model: keras.Model) -> dict[str, ChannelGate]:
    inner = [layer.layer if _is_pruning_wrapper(layer) else layer for layer in model.layers]
    return {gate.layer.name: gate for gate in inner if isinstance(gate, ChannelGate)}


def _copy_weights(source: keras.Model, target: keras.Model) -> None:
    targets = plain_layers(target)
    for name, layer in plain_layers(source).items():
        targets[name].set_weights(layer.get_weights())
