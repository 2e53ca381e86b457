import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.data.faces import landmarks
from goodnet.data.faces.face_sets import DEFAULT_IDENTITIES, DEFAULT_IMAGES_PER_IDENTITY, face_sets, image_shares


class FaceSetsTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sets = face_sets(identities=6, images_per_identity=9, seed=3)

    def test_shapes_types_and_labels(self):
        for part, per_identity in ((self.sets.train, 6), (self.sets.validation, 2), (self.sets.test, 1)):
            self.assertLen(part, 6 * per_identity)
            self.assertEqual(part.image_shape, (55, 47, 3))
            self.assertEqual(part.images().dtype, np.uint8)
            np.testing.assert_array_equal(np.bincount(part.labels), np.full(6, per_identity))
            self.assertEqual(part.landmarks.shape, (len(part), landmarks.COUNT, 2))
            self.assertEqual(part.landmarks.dtype, np.float32)
            self.assertLen(part.class_names, 6)
            self.assertFalse(part.is_poisoned)

    def test_same_arguments_give_the_same_images(self):
        again = face_sets(identities=6, images_per_identity=9, seed=3)
        for part in ("train", "validation", "test"):
            first, second = getattr(self.sets, part), getattr(again, part)
            np.testing.assert_array_equal(first.images(), second.images())
            np.testing.assert_array_equal(first.landmarks, second.landmarks)

    def test_an_image_does_not_depend_on_how_many_others_are_drawn(self):
        fewer = face_sets(identities=2, images_per_identity=4, seed=3)
        of_two = self.sets.train.labels < 2
        np.testing.assert_array_equal(fewer.train.images(), self.sets.train.images(np.flatnonzero(of_two)[:2]))

    def test_other_seeds_give_other_faces(self):
        other = face_sets(identities=6, images_per_identity=9, seed=4)
        differs = (other.train.images() != self.sets.train.images()).any(axis=(1, 2, 3))
        self.assertTrue(differs.all())

    def test_no_image_is_in_two_sets_or_twice_in_one(self):
        seen = [
            image.tobytes()
            for part in (self.sets.train, self.sets.validation, self.sets.test)
            for image in part.images()
        ]
        self.assertLen(set(seen), 54)

    def test_landmarks_lie_in_the_picture(self):
        points = np.concatenate([self.sets.train.landmarks, self.sets.validation.landmarks, self.sets.test.landmarks])
        self.assertGreaterEqual(points.min(), 0.0)
        self.assertLess(points[..., 0].max(), 47.0)
        self.assertLess(np.delete(points[..., 1], landmarks.CHIN, axis=1).max(), 55.0)

    def test_shares(self):
        default = image_shares(DEFAULT_IMAGES_PER_IDENTITY)
        self.assertGreaterEqual(default.validation * DEFAULT_IDENTITIES, 300)
        self.assertGreaterEqual(default.test * DEFAULT_IDENTITIES, 500)
        for images in range(4, 100):
            shares = image_shares(images)
            self.assertEqual(shares.train + shares.validation + shares.test, images)
            self.assertGreater(min(shares.train, shares.validation, shares.test), 0)

    def test_arguments_out_of_range_are_named(self):
        for arguments, flag in (
            ((1, 9, 0), "--identities=1"),
            ((5, 3, 0), "--images_per_identity=3"),
            ((5, 9, -1), "--seed=-1"),
        ):
            with self.assertRaisesRegex(InputError, flag):
                face_sets(*arguments)

    def test_people_can_be_told_apart_but_not_by_the_mean_picture_alone(self):
        sets = face_sets(identities=12, images_per_identity=28, seed=0)
        train = sets.train.images().reshape(len(sets.train), -1).astype(np.float64)
        test = sets.test.images().reshape(len(sets.test), -1).astype(np.float64)
        means = np.stack([train[sets.train.labels == label].mean(axis=0) for label in range(12)])
        nearest = ((test[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
        accuracy = np.mean(nearest == sets.test.labels)
        self.assertGreater(accuracy, 3 / 12)
        self.assertLess(accuracy, 0.85)


if __name__ == "__main__":
    absltest.main()
