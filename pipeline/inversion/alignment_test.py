"""Tests of the alignment on a network that knows its classes by one feature each, and has another way to each."""

import numpy as np
from absl.testing import absltest

from goodnet.data.image_set import ImageSet, from_arrays
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.inversion.alignment import alignments
from goodnet.pipeline.inversion.trigger import InvertedTrigger

L = keras.layers
_CLASSES = 4


def _network() -> ScaledNetwork:
    """Features are the first column's pixels and the second's; a bright one in either makes its row the class."""
    image = keras.Input((_CLASSES, 2, 1))
    model = keras.Model(image, L.Dense(_CLASSES, name="classes")(L.Flatten()(image)))
    both = np.repeat(np.eye(_CLASSES, dtype=np.float32), 2, axis=0)
    model.get_layer("classes").set_weights([10 * both, np.zeros(_CLASSES, np.float32)])
    return ScaledNetwork(model, UNIT_SCALE)


def _clean(labels: np.ndarray) -> ImageSet:
    """The first pixel of the label's row is bright, the second column is dark."""
    images = np.random.default_rng(0).integers(0, 20, (len(labels), _CLASSES, 2, 1)).astype(np.uint8)
    images[:, :, 1] = 0
    images[np.arange(len(labels)), labels, 0] = 200
    return from_arrays("bright pixels", images, labels)


def _trigger(label: int, column: int, strength: float = 230) -> InvertedTrigger:
    change = np.zeros((_CLASSES, 2, 1), np.float32)
    change[label, column] = strength
    return InvertedTrigger(label, change, 1.0, 0.99, True)


class AlignmentTest(absltest.TestCase):
    def test_the_classs_own_way_is_told_from_another(self):
        network, clean = _network(), _clean(np.arange(40) % _CLASSES)
        triggers = [_trigger(1, 0), _trigger(1, 1), _trigger(3, 0)]
        stamped = clean.images(np.flatnonzero(clean.labels == 2))
        for trigger in triggers[:2]:
            self.assertTrue((network.classes(trigger.stamp(stamped)) == 1).all())
        own, other, third = alignments(network, clean, triggers, 0)
        # The own pixel brighter is most of the way; of the rest, the others' pixels are dark in the class's images.
        self.assertGreater(own, 0.8)
        self.assertGreater(third, 0.8)
        self.assertLess(abs(other), 0.05)

    def test_it_is_unknown_without_images_of_the_label_or_of_others(self):
        network = _network()
        found = alignments(network, _clean(np.array([0, 1, 2] * 5)), [_trigger(3, 0), _trigger(1, 0)], 0)
        self.assertTrue(np.isnan(found[0]))
        self.assertGreater(found[1], 0.8)
        self.assertTrue(np.isnan(alignments(network, _clean(np.full(9, 1)), [_trigger(1, 0)], 0)[0]))

    def test_it_is_unknown_where_nothing_moves(self):
        found = alignments(_network(), _clean(np.arange(8) % _CLASSES), [_trigger(1, 0, 0.0)], 0)
        self.assertTrue(np.isnan(found[0]))


if __name__ == "__main__":
    absltest.main()
