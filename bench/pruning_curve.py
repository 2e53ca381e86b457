"""How much faster the pruning curve is when only the tail of the network is run again for each point.

    python -m bench.pruning_curve

Sweeps DeepID and the small VGG both ways on the same random images, in turns, and prints the ratio of the medians: a
full forward pass for each point, as public fine-pruning code does it, against features computed once. The counts of
right answers must be the same.
"""

import statistics
import time
from collections.abc import Mapping

import numpy as np

from goodnet.data.image_set import ImageSet, from_arrays
from goodnet.models.channels.gates import GateGroup, default_gated_convolutions, gate_groups, rank_channels
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras, tf
from goodnet.models.networks.architectures import ARCHITECTURES
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.pruning.curve import pruning_curve

_IMAGES = 512
_RUNS = 3
_BATCH_SIZE = 128


def curve_by_full_passes(
    network: ScaledNetwork,
    groups: tuple[GateGroup, ...],
    ranks: Mapping[str, np.ndarray],
    images: ImageSet,
    points: int,
) -> list[int]:
    """The same curve with the whole network run for each point; returns the counts of right answers."""
    graph = network.layer_graph
    order = np.argsort(ranks[groups[0].name], kind="stable")
    inputs, output = graph.inputs[0], graph.outputs[0]

    @tf.function(reduce_retracing=True)
    def answers(batch: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        after = {site: lambda value: value * mask for site in groups[0].sites}
        layers = graph.between([inputs], [output])
        return tf.argmax(graph.run({inputs: batch}, layers, after)[output], axis=1)

    counts = []
    for closed in range(points):
        mask = np.ones(groups[0].channels, np.float32)
        mask[order[:closed]] = 0
        right = 0
        for batch, labels in images.batches(_BATCH_SIZE):
            found = answers(tf.constant(network.scale.apply(batch)), tf.constant(mask))
            right += int(np.sum(found.numpy() == labels))
        counts.append(right)
    return counts


def compare(name: str, shape: tuple[int, int, int]) -> str:
    """Times both ways for one architecture and checks that they agree; returns a line for people."""
    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    network = ScaledNetwork(ARCHITECTURES[name](43, shape), UNIT_SCALE)
    images = from_arrays("noise", rng.integers(0, 256, (_IMAGES, *shape), np.uint8), rng.integers(0, 43, _IMAGES))
    graph = network.layer_graph
    groups = gate_groups(graph, default_gated_convolutions(graph)[:1])
    group = groups[0]
    ranks = {group.name: rank_channels(rng.random(group.channels))}
    tail, full = [], []
    for _ in range(_RUNS):
        started = time.perf_counter()
        curve = pruning_curve(network, groups, ranks, images, max_accuracy_loss=1.0)
        tail.append((time.perf_counter() - started) / len(curve.points))
        closed = [point.closed[group.name] for point in curve.points]
        started = time.perf_counter()
        counts = curve_by_full_passes(network, groups, ranks, images, max(closed) + 1)
        full.append((time.perf_counter() - started) / len(counts))
        if [counts[number] for number in closed] != [point.accuracy.count for point in curve.points]:
            raise AssertionError(f"{name}: the two curves differ")
    by_full, by_tail = statistics.median(full), statistics.median(tail)
    return (
        f"{name}: {len(closed)} points, {_IMAGES} images: {1000 * by_full:.1f} ms a point by full passes, "
        f"{1000 * by_tail:.1f} ms with the tail only, ratio {by_full / by_tail:.1f}"
    )


def main() -> None:
    """Prints a line a network."""
    for name, shape in (("deepid", (55, 47, 3)), ("vgg", (32, 32, 3))):
        print(compare(name, shape))


if __name__ == "__main__":
    main()
