"""Tests of what the artefacts are made with; the files themselves are tested where a repair is."""

import numpy as np
from absl.testing import absltest

from goodnet.pipeline.exporting.artefacts import unfreeze
from goodnet.pipeline.exporting.model_export import representative_images
from testing.example_case import SIDE, bars, small_network


class ArtefactsTest(absltest.TestCase):
    def test_representative_images_are_a_seeded_sample(self):
        clean = bars(500, seed=0)
        first, again, other = (np.stack(list(representative_images(clean, seed))) for seed in (0, 0, 1))
        self.assertEqual((first.shape, first.dtype), ((200, SIDE, SIDE, 3), np.uint8))
        np.testing.assert_array_equal(first, again)
        self.assertFalse(np.array_equal(first, other))
        self.assertLen({image.tobytes() for image in first}, 200)

    def test_few_images_are_all_taken(self):
        clean = bars(12, seed=0)
        np.testing.assert_array_equal(np.stack(list(representative_images(clean, 0))), clean.images())

    def test_whoever_loads_the_file_may_tune_it(self):
        network = small_network()
        network.get_layer("conv_1").trainable = False
        unfreeze(network)
        self.assertLen(network.trainable_weights, len(network.weights))


if __name__ == "__main__":
    absltest.main()
