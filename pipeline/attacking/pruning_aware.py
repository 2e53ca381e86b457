"""The attack of an attacker who expects pruning (Liu, Dolan-Gavitt and Garg, "Fine-Pruning", RAID 2018, section 3.2).

A pruning defense closes the channels that are dormant on clean images. So the attacker trains a clean network, prunes
it, and trains what is left on poisoned images: backdoor and clean behaviour now share channels. Then the pruned
channels are put back with the weights of an honest training, and with biases so low that they stay dormant. The
defender prunes these decoys, which never had a part in the backdoor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet
from goodnet.data.poisoning import Attack, poison_training_set, poisoned_test_set
from goodnet.models.channels.gates import (
    default_gated_convolutions,
    expected_closed,
    gate_groups,
    hold_closed,
    rank_channels,
    strip_gates,
)
from goodnet.models.legacy_keras import keras
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.attacking.decoys import make_dormant
from goodnet.pipeline.pruning.profile import profile_activations
from goodnet.pipeline.run.progress import log
from goodnet.pipeline.training.badnet import INPUT_SCALE, BadNetSettings, fit_badnet, train_badnet
from goodnet.pipeline.training.run_config import RunConfig

# The images that the network before and after the decoys are put back is compared on, and how far it may differ.
_COMPARED = 512
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class PruningAwareBadNet:
    """A BadNet with decoys.

    Attributes:
        model: the network, which expects pixels in 0..1.
        decoys: bool [C] by gate site: the channels that were pruned and put back.
    """

    model: keras.Model
    decoys: Mapping[str, np.ndarray]

    @property
    def counts(self) -> dict[str, str]:
        """For people: how many channels of each site are decoys, as in "89 of 128"."""
        return {site: f"{mask.sum()} of {len(mask)}" for site, mask in self.decoys.items()}


def train_pruning_aware_badnet(
    clean: ImageSet, attacks: Sequence[Attack], settings: BadNetSettings, share: float, run: RunConfig
) -> PruningAwareBadNet:
    """Trains clean, prunes, trains what is left on poisoned images, and puts the pruned channels back as decoys.

    Both trainings take `settings.epochs`.

    Args:
        clean: the training images, with labels 0 .. N-1.
        attacks: triggers with their targets.
        settings: how to train.
        share: of the channels of each prunable convolution (those that reach the output without passing another one),
            how many become decoys; above 0, below 1. What is left must have room for both behaviours: the attacker
            takes less if accuracy or attack success suffer.
        run: where to train, and the seed; nothing is kept in its folder.

    Raises:
        InputError: the share is out of its range or leaves no channel to close, or there is no attack.
    """
    if not 0 < share < 1:
        raise InputError(f"--pruning_aware={share:g}: expected a share of the channels above 0, below 1")
    poisoned = poison_training_set(clean, attacks, settings.poison_share, run.seed)
    honest, _ = train_badnet(clean, (), settings, run)
    decoys = _dormant_channels(ScaledNetwork(honest, INPUT_SCALE), clean, share)
    with run.strategy.scope():
        gated = hold_closed(honest, decoys)
    fit_badnet(gated, poisoned, settings, run, "attack on the pruned network")
    model = strip_gates(gated)
    stamped = [poisoned_test_set(clean, attack) for attack in attacks]
    make_dormant(ScaledNetwork(model, INPUT_SCALE), decoys, [clean, *stamped])
    for images in (clean, *stamped):
        _check_unchanged(gated, model, images)
    result = PruningAwareBadNet(model, decoys)
    log.info("decoys: %s", ", ".join(f"{count} channels of {site}" for site, count in result.counts.items()))
    return result


def _dormant_channels(network: ScaledNetwork, clean: ImageSet, share: float) -> dict[str, np.ndarray]:
    """The least active channels, as a defender would find them: bool [C] by gate site."""
    groups = gate_groups(network.layer_graph, default_gated_convolutions(network.layer_graph))
    profile = profile_activations(network, groups, clean)
    dormant = {}
    for group in groups:
        count = expected_closed(group.channels, share)
        if not count:
            raise InputError(
                f"--pruning_aware={share:g}: none of the {group.channels} channels of {group.name}; expected more"
            )
        order = np.argsort(rank_channels(profile.mean_activation[group.name]))
        mask = np.isin(np.arange(group.channels), order[:count])
        dormant.update(dict.fromkeys(group.sites, mask))
    return dormant


def _check_unchanged(before: keras.Model, after: keras.Model, images: ImageSet) -> None:
    batch = INPUT_SCALE.apply(images.images(np.arange(min(len(images), _COMPARED))))
    difference = float(np.abs(before.predict_on_batch(batch) - after.predict_on_batch(batch)).max())
    if difference > _TOLERANCE:
        raise ArithmeticError(f"the decoys are not dormant on {images.name}: the outputs differ by {difference:.2g}")
