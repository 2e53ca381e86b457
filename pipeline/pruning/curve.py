"""How clean accuracy falls as the least active channels are closed, and how many may be.

The rule is Fine-Pruning's (Liu, Dolan-Gavitt and Garg, RAID 2018, section 3.2): channels are closed in the order of
their clean activation, until the accuracy on clean data has fallen by what the user is ready to lose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from goodnet.data.batch_sizes import images_at_once
from goodnet.data.image_set import ImageSet
from goodnet.models.channels.gates import GateGroup, expected_closed
from goodnet.models.legacy_keras import keras, tf, traced
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.measuring.rates import Rate
from goodnet.pipeline.pruning.tail import tail_of

_MOST_AT_ONCE = 128
_MOST_POINTS = 64


@dataclass(frozen=True)
class CurvePoint:
    """One step of the sweep.

    Attributes:
        share: the sparsity asked of every gate group, 0..1.
        closed: how many channels that closes, by group.
        accuracy: clean accuracy with them closed, before any tuning.
    """

    share: float
    closed: Mapping[str, int]
    accuracy: Rate


@dataclass(frozen=True)
class PruningCurve:
    """Clean accuracy against channels closed.

    Attributes:
        points: from no channel closed to all but one in the largest group.
        floor: the accuracy below which the sweep's rule stops, 0..1.
        chosen: index of the last point before the accuracy first falls below the floor.
    """

    points: tuple[CurvePoint, ...]
    floor: float
    chosen: int

    @property
    def share(self) -> float:
        """The sparsity chosen."""
        return self.points[self.chosen].share


def pruning_curve(
    network: ScaledNetwork,
    groups: Sequence[GateGroup],
    ranks: Mapping[str, np.ndarray],
    clean: ImageSet,
    max_accuracy_loss: float,
) -> PruningCurve:
    """Sweeps the share of closed channels, running only the tail of the network for each.

    Args:
        network: the suspect.
        groups: its gate groups.
        ranks: float32 [C] by group, as `rank_channels` gives them; the lowest close first.
        clean: the images the accuracy is measured on; read once, batch by batch.
        max_accuracy_loss: the accuracy that may be lost, 0..1, before tuning.

    Returns:
        The curve with its chosen point.
    """
    shares = _shares(groups)
    masks = {group.name: _masks(ranks[group.name], shares) for group in groups}
    correct = _correct_by_share(network, groups, masks, clean)
    points = tuple(
        CurvePoint(
            share,
            {group.name: expected_closed(group.channels, share) for group in groups},
            Rate(int(count), len(clean)),
        )
        for share, count in zip(shares, correct, strict=True)
    )
    floor = points[0].accuracy.value - max_accuracy_loss
    too_low = [index for index, point in enumerate(points) if point.accuracy.value < floor]
    return PruningCurve(points, floor, (too_low[0] if too_low else len(points)) - 1)


def _shares(groups: Sequence[GateGroup]) -> list[float]:
    """At most 64 shares, each of which closes a different number of channels in the largest group."""
    channels = max(group.channels for group in groups)
    closed = np.unique(np.linspace(0, channels - 1, min(channels, _MOST_POINTS)).round().astype(int))
    return [float(count) / channels for count in closed]


def _masks(rank: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """float32 [len(shares), C], 0 where the channel is closed; the same channels that tfmot would close."""
    order = np.argsort(rank, kind="stable")
    masks = np.ones((len(shares), len(rank)), np.float32)
    for row, share in zip(masks, shares, strict=True):
        row[order[: expected_closed(len(rank), share)]] = 0
    return masks


def _correct_by_share(
    network: ScaledNetwork, groups: Sequence[GateGroup], masks: Mapping[str, np.ndarray], clean: ImageSet
) -> np.ndarray:
    model, tail = network.model, tail_of(network.layer_graph, groups)
    head = keras.Model(model.inputs, {name: model.get_layer(name).output for name in tail.feeds})
    features_of = traced(lambda images: head(images, training=False), reduce_retracing=True)

    @traced(reduce_retracing=True)
    def count_correct(
        features: Mapping[str, tf.Tensor], labels: tf.Tensor, masks_by_site: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        answers = tf.argmax(tail.outputs(features, masks_by_site), axis=1)
        return tf.math.count_nonzero(answers == labels)

    points = len(next(iter(masks.values())))
    masks_of_points = [
        {site: tf.constant(masks[group.name][point]) for group in groups for site in group.sites}
        for point in range(points)
    ]
    correct = np.zeros(points, np.int64)
    for images, labels in clean.batches(images_at_once(clean.image_shape, _MOST_AT_ONCE)):
        features = features_of(tf.constant(network.scale.apply(images)))
        true = tf.constant(labels)
        correct += [int(count_correct(features, true, masks_by_site)) for masks_by_site in masks_of_points]
    return correct
