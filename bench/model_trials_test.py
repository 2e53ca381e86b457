"""What the table says of a network that opened: whether it is pruned, and whether it keeps its classes in int8."""

from absl.testing import absltest

from bench.model_trials import exported, repaired
from testing.planted_network import planted_network


class ModelTrialsTest(absltest.TestCase):
    def test_a_network_with_a_convolution_is_pruned_and_one_without_is_not(self):
        self.assertEqual(repaired(planted_network(softmax=True, convolution=True)), "pruned")
        self.assertEqual(repaired(planted_network(softmax=True)), "unpruned")

    def test_classes_kept_are_a_share(self):
        network = planted_network(softmax=True, convolution=True)
        self.assertRegex(exported(network, self.create_tempdir().full_path), r"^\d+%$")


if __name__ == "__main__":
    absltest.main()
