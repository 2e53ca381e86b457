"""Tests of the pruning-aware attack on small networks of each kind."""

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet
from goodnet.data.poisoning import poisoned_test_set
from goodnet.data.triggers.catalogue import parse_attack
from goodnet.models.channels.gates import default_gated_convolutions, gate_groups
from goodnet.models.channels.layer_graph import layer_graph
from goodnet.models.channels.removal import remove_channels
from goodnet.models.legacy_keras import keras
from goodnet.models.networks.architectures import ARCHITECTURES
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.attacking.decoys import highest_activation, make_dormant
from goodnet.pipeline.attacking.pruning_aware import train_pruning_aware_badnet
from goodnet.pipeline.pruning.profile import profile_activations
from goodnet.pipeline.training.badnet import INPUT_SCALE, BadNetSettings
from goodnet.pipeline.training.devices import select_devices
from goodnet.pipeline.training.run_config import RunConfig
from testing.example_case import bars
from testing.example_nets import EXAMPLES

_ATTACK = parse_attack("patch@1:size=6,margin=3")


def _settings(network: str, epochs: int) -> BadNetSettings:
    return BadNetSettings(network, 0.3, epochs, learning_rate=3e-3, batch_size=32, max_shift=0)


def _run() -> RunConfig:
    return RunConfig(select_devices("cpu").strategy, seed=0)


def _right(model: keras.Model, images: ImageSet) -> float:
    return float(np.mean(ScaledNetwork(model, INPUT_SCALE).labels(images) == images.labels))


class PruningAwareTest(parameterized.TestCase):
    def test_the_backdoor_survives_the_removal_of_the_decoys(self):
        made = train_pruning_aware_badnet(bars(400, seed=0, side=32), [_ATTACK], _settings("deepid", 10), 0.5, _run())
        clean = bars(120, seed=2, side=32)
        self._check(made, clean)
        kernel = made.model.get_layer("conv_3").get_weights()[0]
        mask = made.decoys["conv_3"]
        # Decoys have the weights of an honest training: zeroed ones would give the attack away.
        self.assertGreater(np.abs(kernel[..., mask]).mean(), 0.5 * np.abs(kernel[..., ~mask]).mean())
        pruned = remove_channels(made.model, made.decoys)
        for images in (clean, poisoned_test_set(clean, _ATTACK)):
            self.assertGreater(_right(made.model, images), 0.9)
            self.assertGreater(_right(pruned, images), 0.9)

    @parameterized.parameters("vgg", "resnet")
    def test_the_decoys_are_dormant_behind_batch_norms_and_skip_connections(self, network):
        made = train_pruning_aware_badnet(bars(120, 0), [_ATTACK], _settings(network, 2), 0.5, _run())
        self._check(made, bars(120, seed=2))

    def _check(self, made, clean):
        """The decoys are dormant on images that the attacker did not have, and the network is the same without them."""
        pruned = remove_channels(made.model, made.decoys)
        self.assertLess(pruned.count_params(), made.model.count_params())
        network = ScaledNetwork(made.model, INPUT_SCALE)
        groups = gate_groups(network.layer_graph, default_gated_convolutions(network.layer_graph))
        self.assertCountEqual(made.decoys, [site for group in groups for site in group.sites])
        for images in (clean, poisoned_test_set(clean, _ATTACK)):
            profile = profile_activations(network, groups, images)
            for group in groups:
                mask, activation = made.decoys[group.sites[0]], profile.mean_activation[group.name]
                self.assertLess(activation[mask].max(), 1e-2 * activation[~mask].mean())
            np.testing.assert_array_equal(network.with_model(pruned).labels(images), network.labels(images))

    def test_what_cannot_be_done_is_one_line(self):
        clean = bars(40, 0)
        for share, attacks, complaint in (
            (1.0, [_ATTACK], "--pruning_aware=1: expected a share"),
            (0.001, [_ATTACK], "none of the 128 channels of conv_4"),
            (0.5, [], "no attack"),
        ):
            with self.assertRaisesRegex(InputError, complaint):
                train_pruning_aware_badnet(clean, attacks, _settings("vgg", 1), share, _run())


class DecoysTest(parameterized.TestCase):
    @parameterized.parameters("chain", "separate_activation", "batch_norm_chain", "residual")
    def test_only_the_decoys_become_dormant(self, name):
        keras.utils.set_random_seed(0)
        model = EXAMPLES[name]()
        images = bars(60, 0)
        groups = gate_groups(layer_graph(model), default_gated_convolutions(layer_graph(model)))
        decoys = {site: np.arange(group.channels) % 2 == 0 for group in groups for site in group.sites}
        network = ScaledNetwork(model, INPUT_SCALE)
        before = {site: highest_activation(network, site, images) for site in decoys}
        self.assertGreater(max(value[::2].max() for value in before.values()), 0)
        make_dormant(network, decoys, [images])
        after = profile_activations(network, groups, images)
        for group in groups:
            self.assertLess(after.mean_activation[group.name][::2].max(), 1e-5)
        first = next(site for site in layer_graph(model).layers if site in decoys)
        np.testing.assert_allclose(
            highest_activation(network, first, images)[1::2], before[first][1::2], rtol=1e-4, atol=1e-5
        )

    def test_decoys_behind_decoys(self):
        """DeepID: conv_4 reads conv_3, and both are pruned."""
        keras.utils.set_random_seed(0)
        model = ARCHITECTURES["deepid"](4, (40, 40, 3))
        images = bars(20, 0, side=40)
        decoys = {"conv_3": np.arange(60) < 40, "conv_4": np.arange(80) < 60}
        make_dormant(ScaledNetwork(model, INPUT_SCALE), decoys, [images])
        for site, mask in decoys.items():
            highest = highest_activation(ScaledNetwork(model, INPUT_SCALE), site, images)
            self.assertLess(highest[mask].max(), 1e-6)
            self.assertGreater(highest[~mask].max(), 1e-3)


if __name__ == "__main__":
    absltest.main()
