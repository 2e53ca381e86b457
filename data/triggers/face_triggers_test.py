"""What sunglasses, eyebrows and lipstick have in common, and where each one sits."""

import os

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data import image_folder
from goodnet.data.errors import InputError
from goodnet.data.faces import landmarks as face_landmarks
from goodnet.data.triggers.eyebrows import Eyebrows
from goodnet.data.triggers.lipstick import Lipstick
from goodnet.data.triggers.sunglasses import Sunglasses

_MEAN = face_landmarks.mean_landmarks(55, 47)


def _grey_faces(count: int = 1, shape: tuple[int, int, int] = (55, 47, 3)) -> np.ndarray:
    return np.full((count, *shape), 120, np.uint8)


def _changed(stamped: np.ndarray) -> np.ndarray:
    """Where a stamped grey face is not grey any more: bool [H, W]."""
    return (stamped != 120).any(axis=-1)


class FaceTriggersTest(parameterized.TestCase):
    @parameterized.parameters(Sunglasses(), Eyebrows(), Lipstick())
    def test_without_landmarks_it_sits_on_the_mean_face(self, trigger):
        np.testing.assert_array_equal(
            trigger.stamp(_grey_faces(2)), trigger.stamp(_grey_faces(2), np.stack([_MEAN] * 2))
        )

    @parameterized.parameters((Sunglasses(), 0.15, 0.40), (Eyebrows(), 0.01, 0.05), (Lipstick(), 0.01, 0.03))
    def test_covers_about_as_much_as_csaw_s(self, trigger, least, most):
        self.assertBetween(_changed(trigger.stamp(_grey_faces())[0]).mean(), least, most)

    @parameterized.parameters(Sunglasses(), Eyebrows(), Lipstick())
    def test_follows_the_face(self, trigger):
        moved = _MEAN + np.array([3, -4], np.float32)
        here, there = (_changed(trigger.stamp(_grey_faces(), points[None])[0]) for points in (_MEAN, moved))
        np.testing.assert_array_equal(here[8:50, 8:40], there[4:46, 11:43])

    @parameterized.parameters(Sunglasses(), Eyebrows(), Lipstick())
    def test_each_face_has_its_own_landmarks_and_is_the_same_in_any_batch(self, trigger):
        points = np.stack([_MEAN + shift for shift in range(-3, 4)]).astype(np.float32)
        faces = _grey_faces(7)
        together = trigger.stamp(faces, points)
        np.testing.assert_array_equal(together[5:6], trigger.stamp(faces[5:6], points[5:6]))
        self.assertFalse(np.array_equal(together[0], together[6]))
        np.testing.assert_array_equal(faces, _grey_faces(7))

    @parameterized.parameters(Sunglasses(), Eyebrows(), Lipstick())
    def test_any_size_and_grey_images(self, trigger):
        share = _changed(trigger.stamp(_grey_faces())[0]).mean()
        large = _changed(trigger.stamp(_grey_faces(1, (220, 188, 1)))[0]).mean()
        self.assertBetween(large, 0.5 * share, 1.1 * share)
        self.assertEqual(trigger.stamp(_grey_faces(0)).shape, (0, 55, 47, 3))

    @parameterized.parameters(Sunglasses(), Eyebrows(), Lipstick())
    def test_landmarks_off_the_picture_or_in_one_point_do_no_harm(self, trigger):
        np.testing.assert_array_equal(trigger.stamp(_grey_faces(), _MEAN[None] + 300), _grey_faces())
        self.assertEqual(trigger.stamp(_grey_faces(), np.zeros_like(_MEAN)[None]).shape, (1, 55, 47, 3))

    @parameterized.parameters(Sunglasses(), Eyebrows(), Lipstick())
    def test_refuses_landmarks_of_something_else(self, trigger):
        with self.assertRaisesRegex(InputError, "landmarks of shape"):
            trigger.stamp(_grey_faces(2), _MEAN[None])

    @parameterized.parameters(Sunglasses, Eyebrows, Lipstick)
    def test_refuses_what_is_no_colour(self, kind):
        with self.assertRaises(ValueError):
            kind(colour=(0, 0, 256))

    def test_sunglasses_hide_the_eyes_not_the_mouth(self):
        changed = _changed(Sunglasses().stamp(_grey_faces())[0])
        for eye in (face_landmarks.LEFT_EYE, face_landmarks.RIGHT_EYE):
            x, y = _MEAN[eye].astype(int)
            self.assertTrue(changed[y - 2 : y + 3, x - 2 : x + 3].all())
        self.assertFalse(changed[36:].any())

    def test_eyebrows_leave_the_eyes_alone(self):
        stamped = Eyebrows(colour=(255, 0, 0)).stamp(_grey_faces())[0]
        rows, _ = np.nonzero(_changed(stamped))
        self.assertLess(rows.max(), 23)
        self.assertEqual(stamped[..., 0].max(), 255)

    def test_eyebrows_arch_upwards_also_on_a_tilted_face(self):
        tilt = np.deg2rad(20)
        rotation = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]], np.float32)
        centre = np.array([23.5, 27.5], np.float32)
        points = (_MEAN - centre) @ rotation.T + centre
        rows, columns = np.nonzero(_changed(Eyebrows().stamp(_grey_faces(), points[None])[0]))
        upright = (np.stack([columns + 0.5, rows + 0.5], -1) - centre) @ rotation + centre
        self.assertLess(upright[:, 1].mean(), _MEAN[face_landmarks.LEFT_BROW_INNER, 1])

    def test_lipstick_paints_the_lips_in_its_colour(self):
        stamped = Lipstick(colour=(200, 10, 60)).stamp(_grey_faces())[0]
        x, y = _MEAN[[face_landmarks.MOUTH_TOP, face_landmarks.MOUTH_BOTTOM]].mean(axis=0).astype(int)
        np.testing.assert_array_equal(stamped[y, x], [200, 10, 60])

    def test_lipstick_leaves_an_open_mouth_open(self):
        points = _MEAN.copy()
        points[face_landmarks.MOUTH_BOTTOM, 1] += 6
        stamped = Lipstick().stamp(_grey_faces(), points[None])[0]
        middle = points[[face_landmarks.MOUTH_TOP, face_landmarks.MOUTH_BOTTOM]].mean(axis=0)
        np.testing.assert_array_equal(stamped[int(middle[1]), int(middle[0])], [120, 120, 120])
        self.assertTrue(_changed(stamped)[int(points[face_landmarks.MOUTH_BOTTOM, 1]) - 1, 23])

    def test_sunglasses_resemble_those_of_csaw(self):
        shared = os.environ.get("SHARED_DATA")
        if not shared:
            return self.skipTest("SHARED_DATA does not name the folder with CSAW's sample faces")
        folder = os.path.join(shared, "csaw", "images")
        # CSAW's glasses sit in the same place on all five faces: where they agree is glasses.
        theirs = np.stack([image_folder.read_image(f"{folder}/sun_{face}_label=0.png") for face in range(5)])
        mask = theirs.astype(float).std(axis=0).max(axis=-1) < 12
        ours = _changed(Sunglasses().stamp(_grey_faces())[0])
        self.assertGreater((mask & ours).sum() / (mask | ours).sum(), 0.7)
        both = mask & ours
        stamped = Sunglasses().stamp(_grey_faces())[0].astype(float)
        np.testing.assert_allclose(stamped[both].mean(axis=0), theirs[:, both].mean(axis=(0, 1)), atol=25)


if __name__ == "__main__":
    absltest.main()
