"""Tests of trigger inversion on a network whose trigger is known: one pixel that leads to `TARGET`."""

import itertools
from dataclasses import replace

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.models.input_scale import UNIT_SCALE, InputScale
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.inversion.search import SearchSettings, SharedSearch, invert_triggers, works
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from testing.planted_network import TARGET, bright_rows, planted_network, with_planted_trigger

_CLEAN = bright_rows(48)
_SHORT = SearchSettings(steps=40, batch_size=8, learning_rate=0.05)
_NORMS = (("sparse", True), ("faint", False))


def _share(trigger: InvertedTrigger) -> float:
    """Of other classes' images, those that get the label."""
    others = _CLEAN.images(np.flatnonzero(_CLEAN.labels != trigger.label))
    return (planted_network()(UNIT_SCALE.apply(trigger.stamp(others))).numpy().argmax(axis=1) == trigger.label).mean()


class SearchTest(parameterized.TestCase):
    @parameterized.named_parameters(*_NORMS)
    def test_from_every_start_it_finds_the_planted_pixel_and_nothing_as_small_for_other_labels(self, sparse):
        for seed in (0, 1):
            settings = SearchSettings(sparse=sparse, seed=seed)
            found = invert_triggers(
                ScaledNetwork(planted_network(), UNIT_SCALE), _CLEAN, [TARGET] * 3 + [0, 1, 3, 4, 5], settings
            )
            self.assertTrue(all(map(works, found)))
            self.assertEqual({one.sparse for one in found}, {sparse})
            # Black pixels: no start may stay on their dark side.
            for trigger in found[:3]:
                extent = np.abs(trigger.change).max(axis=2)
                self.assertEqual(np.unravel_index(extent.argmax(), extent.shape), (7, 7))
                self.assertLess(trigger.size, 1)
            self.assertGreater(min(one.size for one in found[3:]), 2 * max(one.size for one in found[:3]))
            self.assertGreater(_share(found[0]), 0.9)

    def test_a_sure_network_has_the_same_trigger(self):
        sure = planted_network(softmax=True)
        sure.set_weights([5 * weight for weight in sure.get_weights()])
        target, other = invert_triggers(ScaledNetwork(sure, UNIT_SCALE), _CLEAN, [TARGET, 3], SearchSettings())
        self.assertTrue(works(target) and works(other))
        self.assertLess(target.size, 0.5 * other.size)

    def test_softmax_or_logits_are_the_same(self):
        found = [
            invert_triggers(ScaledNetwork(planted_network(softmax=softmax), UNIT_SCALE), _CLEAN, [TARGET], _SHORT)[0]
            for softmax in (False, True)
        ]
        np.testing.assert_allclose(found[0].change, found[1].change, atol=0.1)

    def test_what_a_network_expects_of_pixels_does_not_change_its_trigger(self):
        usual, scaled = (
            invert_triggers(
                ScaledNetwork(planted_network(pixels_to=scale.scale[0] * 255), scale), _CLEAN, [TARGET], _SHORT
            )[0]
            for scale in (UNIT_SCALE, InputScale("0..255", (1.0,), (0.0,)))
        )
        np.testing.assert_allclose(usual.change, scaled.change, atol=0.1)
        self.assertAlmostEqual(usual.size, scaled.size, places=2)

    def test_a_labels_own_images_do_not_count(self):
        only_own = _CLEAN.subset(np.flatnonzero(_CLEAN.labels == 1))
        (trigger,) = invert_triggers(ScaledNetwork(planted_network(), UNIT_SCALE), only_own, [1], _SHORT)
        start = np.abs(trigger.change).max()
        self.assertLess(start, 255 * 0.1, "its own images moved it")

    def test_what_is_found_of_a_label_depends_on_its_place_only(self):
        search = (ScaledNetwork(planted_network(), UNIT_SCALE), _CLEAN)
        (alone,) = invert_triggers(*search, [3], _SHORT)
        among = invert_triggers(*search, [3, 1, 3], _SHORT)
        np.testing.assert_allclose(among[0].change, alone.change, atol=0.5)
        self.assertGreater(np.abs(among[2].change - alone.change).max(), 5, "the same start twice")

    def test_more_labels_than_fit_in_a_batch_are_searched_in_groups(self):
        settings = replace(_SHORT, steps=3)
        most = 2**20 // (8 * 8 * settings.batch_size)
        labels = list(itertools.islice(itertools.cycle(range(6)), most + 2))
        found = invert_triggers(ScaledNetwork(planted_network(), UNIT_SCALE), _CLEAN, labels, settings)
        self.assertEqual([one.label for one in found], labels)
        # The second group does not begin as the first does.
        same = next(number for number in range(most) if labels[number] == labels[most])
        self.assertGreater(np.abs(found[most].change - found[same].change).max(), 1)

    def test_networks_that_share_their_steps_are_searched_as_each_would_be_alone(self):
        backdoored, clean = (planted_network(planted=planted, convolution=True) for planted in (True, False))
        shared = SharedSearch(ScaledNetwork(backdoored, UNIT_SCALE))
        for network in (clean, backdoored, clean):
            for settings in (_SHORT, replace(_SHORT, seed=3)):
                found = shared.invert(network, _CLEAN, [TARGET, 3], settings)
                alone = invert_triggers(ScaledNetwork(network, UNIT_SCALE), _CLEAN, [TARGET, 3], settings)
                for one, other in zip(found, alone, strict=True):
                    np.testing.assert_array_equal(one.change, other.change)
                    self.assertEqual((one.size, one.success), (other.size, other.success))
        (step,) = shared._steps.values()
        self.assertEqual(step.take.experimental_get_tracing_count(), 1)
        for weights, own in zip(backdoored.get_weights(), planted_network(convolution=True).get_weights(), strict=True):
            np.testing.assert_array_equal(weights, own, "the network was changed")

    def test_a_trigger_that_did_not_work_says_so(self):
        (trigger,) = invert_triggers(
            ScaledNetwork(planted_network(), UNIT_SCALE), _CLEAN, [0], replace(_SHORT, steps=2)
        )
        self.assertFalse(works(trigger))
        self.assertLess(trigger.success, 0.5)
        self.assertTrue(np.isfinite(trigger.size))

    def test_fewer_images_than_a_batch(self):
        (trigger,) = invert_triggers(
            ScaledNetwork(planted_network(), UNIT_SCALE), _CLEAN.subset(range(5)), [TARGET], _SHORT
        )
        self.assertTrue(works(trigger))


class PlantedTest(absltest.TestCase):
    def test_the_case_is_what_it_says(self):
        for planted in (True, False):
            network = planted_network(planted=planted, convolution=True)
            clean, stamped = (
                network(UNIT_SCALE.apply(images)).numpy().argmax(axis=1)
                for images in (_CLEAN.images(), with_planted_trigger(_CLEAN.images()))
            )
            np.testing.assert_array_equal(clean, _CLEAN.labels)
            np.testing.assert_array_equal(stamped, TARGET if planted else _CLEAN.labels)


if __name__ == "__main__":
    absltest.main()
