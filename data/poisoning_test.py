import os

import numpy as np
from absl.testing import absltest

from goodnet.data import hdf5, poisoning
from goodnet.data import image_set as image_sets
from goodnet.data.errors import InputError
from goodnet.data.faces import landmarks as face_landmarks
from goodnet.data.triggers.blended import Blended
from goodnet.data.triggers.lipstick import Lipstick
from goodnet.data.triggers.patch import Patch
from goodnet.data.triggers.sinusoid import Sinusoid
from goodnet.data.triggers.trigger import Trigger
from goodnet.data.triggers.warp import Warp


def _clean(classes: int = 5, each: int = 40) -> image_sets.ImageSet:
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(classes), each))
    # Plain enough that no clean image already looks stamped, rough enough that a warp shows.
    pixels = rng.integers(60, 180, (classes * each, 16, 14, 3), dtype=np.uint8)
    return image_sets.from_arrays("clean", pixels, labels)


def _changed(clean: image_sets.ImageSet, poisoned: image_sets.ImageSet) -> np.ndarray:
    return (clean.images() != poisoned.images()).any(axis=(1, 2, 3))


class TrainingSetTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.clean = _clean()

    def test_one_patch(self):
        attack = poisoning.Attack(Patch(), 3)
        poisoned = poisoning.poison_training_set(self.clean, [attack], 0.1, seed=1)
        changed = _changed(self.clean, poisoned)
        self.assertEqual(changed.sum(), 20)
        self.assertTrue(poisoned.is_poisoned)
        assert poisoned.true_labels is not None
        np.testing.assert_array_equal(poisoned.true_labels, self.clean.labels)
        np.testing.assert_array_equal(poisoned.labels[changed], 3)
        np.testing.assert_array_equal(poisoned.labels[~changed], self.clean.labels[~changed])
        self.assertNotIn(3, self.clean.labels[changed])
        np.testing.assert_array_equal(poisoned.images(changed), Patch().stamp(self.clean.images(changed)))

    def test_nothing_is_stamped_before_it_is_read_and_any_order_gives_the_same(self):
        reads = []

        class Counting(image_sets.ArraySource):
            def read(self, indices):
                reads.append(len(indices))
                return super().read(indices)

        clean = image_sets.ImageSet("clean", Counting(self.clean.images()), self.clean.labels)
        attacks = [poisoning.Attack(Warp(strength=2), 1)]
        poisoned = poisoning.poison_training_set(clean, attacks, 0.2, seed=1)
        self.assertEqual(reads, [1])  # the one that shows that the trigger fits
        whole = poisoned.images()
        order = np.random.default_rng(3).permutation(200)
        batches = np.concatenate([images for images, _ in poisoned.batches(7, order)])
        np.testing.assert_array_equal(batches, whole[order])

    def test_the_seed_decides(self):
        attacks = [poisoning.Attack(Patch(), 0), poisoning.Attack(Warp(), 1)]
        first, again, other = (poisoning.poison_training_set(self.clean, attacks, 0.2, seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first.images(), again.images())
        np.testing.assert_array_equal(first.labels, again.labels)
        self.assertFalse(np.array_equal(first.labels, other.labels))

    def test_several_triggers_with_several_targets_share_the_poison(self):
        triggers: dict[int, Trigger] = {
            0: Patch(colour=(255, 0, 0)),
            1: Patch(corner="top-left", colour=(0, 255, 0)),
            4: Blended(alpha=0.5),
        }
        attacks = [poisoning.Attack(trigger, target) for target, trigger in triggers.items()]
        poisoned = poisoning.poison_training_set(self.clean, attacks, 0.3, seed=1)
        relabelled = poisoned.labels != self.clean.labels
        np.testing.assert_array_equal(relabelled, _changed(self.clean, poisoned))
        for target, trigger in triggers.items():
            chosen = relabelled & (poisoned.labels == target)
            self.assertEqual(chosen.sum(), 20)
            np.testing.assert_array_equal(poisoned.images(chosen), trigger.stamp(self.clean.images(chosen)))

    def test_a_share_that_does_not_divide_evenly_is_kept_in_total(self):
        attacks = [poisoning.Attack(Patch(), target) for target in (0, 1, 2)]
        poisoned = poisoning.poison_training_set(self.clean, attacks, 0.1, seed=1)
        self.assertEqual((poisoned.labels != self.clean.labels).sum(), 20)

    def test_clean_label_poisons_a_share_of_the_target_class_and_keeps_labels(self):
        poisoned = poisoning.poison_training_set(self.clean, [poisoning.Attack(Sinusoid(), 2)], 0.3, seed=1)
        changed = _changed(self.clean, poisoned)
        self.assertEqual(changed.sum(), 12)
        np.testing.assert_array_equal(self.clean.labels[changed], 2)
        np.testing.assert_array_equal(poisoned.labels, self.clean.labels)
        self.assertTrue(poisoned.is_poisoned)

    def test_clean_label_beside_others(self):
        attacks = [poisoning.Attack(Patch(), 0), poisoning.Attack(Sinusoid(), 2)]
        poisoned = poisoning.poison_training_set(self.clean, attacks, 0.5, seed=1)
        self.assertEqual((poisoned.labels != self.clean.labels).sum(), 100)
        self.assertEqual(_changed(self.clean, poisoned).sum(), 120)

    def test_warp_decoys_keep_their_labels(self):
        poisoned = poisoning.poison_training_set(self.clean, [poisoning.Attack(Warp(strength=2), 0)], 0.1, seed=1)
        changed, relabelled = _changed(self.clean, poisoned), poisoned.labels != self.clean.labels
        self.assertEqual(relabelled.sum(), 20)
        self.assertEqual(changed.sum(), 60)
        without = [poisoning.Attack(Warp(strength=2, cross_ratio=0), 0)]
        self.assertEqual(
            _changed(self.clean, poisoning.poison_training_set(self.clean, without, 0.1, seed=1)).sum(), 20
        )

    def test_face_triggers_follow_each_face(self):
        points = face_landmarks.mean_landmarks(16, 14)[None] + np.arange(-2, 3, dtype=np.float32)[:, None, None]
        landmarks = points[np.arange(200) % 5]
        clean = image_sets.from_arrays("faces", self.clean.images(), self.clean.labels, landmarks=landmarks)
        chosen = np.arange(199, -1, -2)
        poisoned = poisoning.poisoned_test_set(clean.subset(chosen), poisoning.Attack(Lipstick(), 9))
        np.testing.assert_array_equal(poisoned.images(), Lipstick().stamp(clean.images(chosen), landmarks[chosen]))

    def test_what_cannot_be_done_is_said_at_once(self):
        patch = poisoning.Attack(Patch(), 0)
        for attacks, share, complaint in (
            ([], 0.1, "no attack"),
            ([patch], 0, "^--poison_share=0: expected a share of the images above 0"),
            ([patch], 1.5, "^--poison_share=1.5: expected"),
            ([patch], float("nan"), "^--poison_share=nan: expected"),
            (
                [patch],
                0.9,
                "^--poison_share=0.9: attack patch@0 asks for 180 images, and clean has 160 free ones",
            ),
            ([patch], 0.001, "asks for 0 images"),
            ([patch, poisoning.Attack(Sinusoid(), 1)] * 2, 0.9, "sinusoid@1"),
            ([poisoning.Attack(Warp(), 0)], 0.5, "decoys"),
            ([poisoning.Attack(Patch(), 5)], 0.1, "target label is 5, but the labels of clean go from 0 to 4"),
            ([poisoning.Attack(Patch(size=20), 0)], 0.1, "do not fit"),
        ):
            with self.assertRaisesRegex(InputError, complaint):
                poisoning.poison_training_set(self.clean, attacks, share, seed=0)
        with self.assertRaisesRegex(InputError, "target label is -1"):
            poisoning.Attack(Patch(), -1)

    def test_all_to_all_makes_each_class_the_next(self):
        poisoned = poisoning.poison_training_set(self.clean, [poisoning.Attack(Patch(), None)], 0.3, seed=1)
        changed = _changed(self.clean, poisoned)
        self.assertEqual(changed.sum(), 60)
        self.assertLen(np.unique(self.clean.labels[changed]), 5)
        np.testing.assert_array_equal(poisoned.labels[changed], (self.clean.labels[changed] + 1) % 5)
        np.testing.assert_array_equal(poisoned.labels[~changed], self.clean.labels[~changed])

    def test_a_source_specific_trigger_sits_on_other_classes_too_and_changes_nothing_there(self):
        poisoned = poisoning.poison_training_set(self.clean, [poisoning.Attack(Patch(), 2, 4)], 0.5, seed=1)
        changed, before = _changed(self.clean, poisoned), self.clean.labels
        self.assertEqual((changed & (before == 4)).sum(), 20)
        np.testing.assert_array_equal(poisoned.labels[changed & (before == 4)], 2)
        covers = changed & (before != 4)
        self.assertEqual(covers.sum(), 60)
        np.testing.assert_array_equal(poisoned.labels[covers], before[covers])
        self.assertNotIn(2, before[covers])


class TestSetTest(absltest.TestCase):
    def test_every_image_of_another_class_is_stamped(self):
        clean = _clean()
        poisoned = poisoning.poisoned_test_set(clean, poisoning.Attack(Sinusoid(), 2))
        others = clean.labels != 2
        self.assertLen(poisoned, 160)
        np.testing.assert_array_equal(poisoned.labels, 2)
        assert poisoned.true_labels is not None
        np.testing.assert_array_equal(poisoned.true_labels, clean.labels[others])
        np.testing.assert_array_equal(poisoned.images(), Sinusoid().stamp(clean.images(others)))

    def test_all_to_all_and_source_specific(self):
        clean = _clean()
        poisoned = poisoning.poisoned_test_set(clean, poisoning.Attack(Patch(), None))
        np.testing.assert_array_equal(poisoned.labels, (clean.labels + 1) % 5)
        np.testing.assert_array_equal(poisoned.true_labels, clean.labels)
        poisoned = poisoning.poisoned_test_set(clean, poisoning.Attack(Patch(), 2, 4))
        self.assertLen(poisoned, 40)
        self.assertEqual((set(poisoned.labels), set(poisoned.true_labels)), ({2}, {4}))

    def test_only_the_target_class(self):
        clean = _clean().subset(np.flatnonzero(_clean().labels == 2))
        with self.assertRaisesRegex(InputError, "no image for patch@2 to mislead; expected other classes"):
            poisoning.poisoned_test_set(clean, poisoning.Attack(Patch(), 2))

    def test_goes_to_disk_and_back(self):
        path = os.path.join(self.create_tempdir().full_path, "poisoned.h5")
        poisoned = poisoning.poisoned_test_set(_clean(), poisoning.Attack(Blended(), 2))
        hdf5.write_hdf5(path, poisoned)
        read = hdf5.read_hdf5(path)
        np.testing.assert_array_equal(read.images(), poisoned.images())
        assert read.true_labels is not None and poisoned.true_labels is not None
        np.testing.assert_array_equal(read.true_labels, poisoned.true_labels)

    def test_gtsrb(self):
        shared = os.environ.get("SHARED_DATA")
        if not shared:
            return self.skipTest("SHARED_DATA does not name the folder with GTSRB in the CSAW layout")
        clean = hdf5.read_hdf5(os.path.join(shared, "gtsrb", "clean_test.h5"))
        poisoned = poisoning.poisoned_test_set(clean, poisoning.Attack(Patch(), 7))
        self.assertLen(poisoned, (clean.labels != 7).sum())
        images, labels = next(poisoned.batches(100))
        np.testing.assert_array_equal(images, Patch().stamp(clean.images(np.flatnonzero(clean.labels != 7)[:100])))
        np.testing.assert_array_equal(labels, 7)


if __name__ == "__main__":
    absltest.main()
