"""How active every channel is on clean images (Fine-Pruning, Liu, Dolan-Gavitt and Garg, RAID 2018, section 3.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from goodnet.data.batch_sizes import images_at_once
from goodnet.data.image_set import ImageSet
from goodnet.models.channels.gates import GateGroup, group_activation
from goodnet.models.legacy_keras import keras, tf, traced
from goodnet.models.scaled_network import ScaledNetwork

_MOST_AT_ONCE = 128


@dataclass(frozen=True)
class ActivationProfile:
    """The mean activation of every channel on clean images.

    Attributes:
        groups: the gate groups that were looked at.
        mean_activation: for each group, by name, float [C]: the mean of |activation| over images and positions, summed
            over the group's sites. For a ReLU that is the mean activation; where a skip connection is added before the
            ReLU the values may be negative, and a channel that is large there is not dormant.
        images: how many images it is the mean of.
    """

    groups: tuple[GateGroup, ...]
    mean_activation: Mapping[str, np.ndarray]
    images: int


def profile_activations(network: ScaledNetwork, groups: Sequence[GateGroup], clean: ImageSet) -> ActivationProfile:
    """Measures the mean activation of every channel in one pass over the clean images.

    Args:
        network: the suspect.
        groups: gate groups of any of its convolutions.
        clean: clean images; read batch by batch.

    Returns:
        The profile.
    """
    sites = [site for group in groups for site in group.sites]
    model = network.model
    probe = keras.Model(model.inputs, [model.get_layer(site).output for site in sites])

    @traced(reduce_retracing=True)
    def sums(images: tf.Tensor) -> list[tf.Tensor]:
        values = tf.nest.flatten(probe(images, training=False))
        return [tf.reduce_sum(tf.reduce_mean(tf.abs(value), axis=[1, 2]), axis=0) for value in values]

    totals = {site: np.zeros(group.channels, np.float64) for group in groups for site in group.sites}
    for images, _ in clean.batches(images_at_once(clean.image_shape, _MOST_AT_ONCE)):
        for site, value in zip(sites, sums(tf.constant(network.scale.apply(images))), strict=True):
            totals[site] += value.numpy()
    means = {site: total / len(clean) for site, total in totals.items()}
    return ActivationProfile(
        tuple(groups), {group.name: group_activation(group, means) for group in groups}, len(clean)
    )
