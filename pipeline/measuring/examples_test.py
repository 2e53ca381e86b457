import numpy as np
from absl.testing import absltest

from goodnet.data.image_set import from_arrays
from goodnet.pipeline.measuring.examples import misclassified_clean, successful_attacks
from goodnet.pipeline.measuring.predictions import StagePredictions


def _numbered_images(count: int) -> np.ndarray:
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 2, 2, 3)).copy()


class ExamplesTest(absltest.TestCase):
    def test_attacks_that_worked_of_many_classes(self):
        true = np.array([1, 1, 1, 2, 3, 9, 4])
        poisoned = from_arrays("patch", _numbered_images(7), np.full(7, 9), true_labels=true)
        badnet = np.array([9, 9, 1, 9, 9, 9, 4])
        answers = [
            StagePredictions("badnet", badnet),
            StagePredictions("detector", np.full(7, 10), np.ones(7, np.float32), 10),
        ]
        found = successful_attacks(poisoned, answers, count=4)
        self.assertEqual([example.image[0, 0, 0] for example in found], [0, 3, 4, 1])
        self.assertEqual([example.true_label for example in found], [1, 2, 3, 1])
        self.assertEqual(found[0].answers, (("badnet", 9), ("detector", 10)))
        self.assertEqual((found[0].target, found[0].backdoor_label, found[0].set_name), (9, 10, "patch"))

    def test_attacks_without_true_labels(self):
        poisoned = from_arrays("csaw", _numbered_images(3), np.zeros(3, np.int64))
        found = successful_attacks(poisoned, [StagePredictions("badnet", np.array([0, 5, 0]))], count=9, name="short")
        self.assertEqual([(one.image[0, 0, 0], one.true_label) for one in found], [(0, None), (2, None)])
        self.assertEqual(found[0].set_name, "short")

    def test_mistakes(self):
        clean = from_arrays("clean", _numbered_images(4), np.array([0, 1, 2, 3]))
        answers = [StagePredictions("repaired", np.array([0, 3, 2, 1]))]
        found = misclassified_clean(clean, answers, count=9, stage="repaired")
        self.assertEqual([(one.true_label, one.answers[0][1]) for one in found], [(1, 3), (3, 1)])
        self.assertEqual([one.target for one in found], [None, None])
        self.assertEqual(misclassified_clean(clean, answers, count=9, stage="detector"), ())

    def test_no_attack_worked(self):
        poisoned = from_arrays("patch", _numbered_images(2), np.zeros(2, np.int64), true_labels=np.array([1, 2]))
        self.assertEqual(successful_attacks(poisoned, [StagePredictions("badnet", np.array([1, 2]))], 5), ())


if __name__ == "__main__":
    absltest.main()
