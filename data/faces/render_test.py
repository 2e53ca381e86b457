import dataclasses

import numpy as np
from absl.testing import absltest

from goodnet.data.faces import landmarks
from goodnet.data.faces.identity import Identity, draw_identity
from goodnet.data.faces.render import render_face
from goodnet.data.faces.scene import Lens, Light, Pose, Scene, draw_scene

_EVEN_LIGHT = Light(direction=np.array([0.0, 0.0, 1.0]), lamp=0.3, ambient=0.7, colour=np.ones(3), gamma=1.0)


def _scene(index: int, **changes) -> Scene:
    """A scene in even light without noise and blur; pose and expression as drawn."""
    return dataclasses.replace(draw_scene(0, 0, index), light=_EVEN_LIGHT, lens=Lens(blur=0.0, noise=0.0), **changes)


def _without_glasses(number: int) -> Identity:
    identity = draw_identity(0, number)
    return dataclasses.replace(identity, glasses=dataclasses.replace(identity.glasses, worn=False))


def _brightness(image: np.ndarray, x: float, y: float) -> float:
    """Mean grey level of the 3 x 3 pixels around a point."""
    row, column = int(y), int(x)
    return float(image[row - 1 : row + 2, column - 1 : column + 2].mean())


class RenderFaceTest(absltest.TestCase):
    def test_a_scene_and_an_identity_always_give_the_same_image(self):
        first = render_face(draw_identity(1, 2), draw_scene(1, 2, 3))
        second = render_face(draw_identity(1, 2), draw_scene(1, 2, 3))
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])

    def test_eyes_are_darker_than_cheeks(self):
        for number in range(12):
            image, points = render_face(_without_glasses(number), _scene(number))
            cheek_y = 0.5 * (points[landmarks.LEFT_EYE, 1] + points[landmarks.MOUTH_LEFT, 1])
            for eye in (landmarks.LEFT_EYE, landmarks.RIGHT_EYE):
                x, y = points[eye]
                self.assertLess(_brightness(image, x, y), _brightness(image, x, cheek_y))

    def test_lips_are_redder_than_cheeks(self):
        for number in range(12):
            identity = _without_glasses(number)
            red = dataclasses.replace(identity.mouth, colour=np.array([200.0, 30.0, 30.0]))
            bare = dataclasses.replace(identity.beard, cheeks=0.0, moustache=0.0)
            scene = _scene(number)
            closed = dataclasses.replace(scene.expression, mouth_opening=0.0)
            image, points = render_face(
                dataclasses.replace(identity, mouth=red, beard=bare), dataclasses.replace(scene, expression=closed)
            )
            x, y = points[[landmarks.MOUTH_TOP, landmarks.MOUTH_BOTTOM]].mean(axis=0)
            lips = image[int(y), int(x)].astype(float)
            cheek = image[int(y) - 8, int(points[landmarks.LEFT_EYE, 0])].astype(float)
            self.assertGreater(lips[0] / lips.sum(), cheek[0] / cheek.sum())

    def test_landmarks_stand_as_in_a_face(self):
        for number in range(12):
            _, points = render_face(draw_identity(0, number), draw_scene(0, number, 0))
            x, y = points[:, 0], points[:, 1]
            self.assertLess(x[landmarks.LEFT_BROW_OUTER], x[landmarks.LEFT_BROW_INNER])
            self.assertLess(x[landmarks.LEFT_BROW_INNER], x[landmarks.RIGHT_BROW_INNER])
            self.assertLess(x[landmarks.RIGHT_BROW_INNER], x[landmarks.RIGHT_BROW_OUTER])
            self.assertLess(x[landmarks.LEFT_EYE], x[landmarks.RIGHT_EYE])
            self.assertLess(x[landmarks.MOUTH_LEFT], x[landmarks.MOUTH_RIGHT])
            down_the_face = [landmarks.LEFT_BROW_INNER, landmarks.LEFT_EYE, landmarks.NOSE_TIP, landmarks.MOUTH_TOP]
            down_the_face += [landmarks.MOUTH_BOTTOM, landmarks.CHIN]
            self.assertTrue((np.diff(y[down_the_face]) > 0).all())

    def test_mean_of_many_faces_is_the_mean_aligned_face(self):
        points = [render_face(draw_identity(0, number), draw_scene(0, number, 0))[1] for number in range(60)]
        difference = np.mean(points, axis=0) - landmarks.mean_landmarks(55, 47)
        self.assertLess(np.abs(difference).max(), 2.0)

    def test_a_turn_of_the_head_moves_the_nose_further_than_the_eyes(self):
        straight = Pose(yaw=0.0, pitch=0.0, roll=0.0, scale=1.0, shift=(0.0, 0.0))
        turned = dataclasses.replace(straight, yaw=0.25)
        identity = draw_identity(0, 0)
        _, before = render_face(identity, _scene(0, pose=straight))
        _, after = render_face(identity, _scene(0, pose=turned))
        moved = (after - before)[:, 0]
        self.assertGreater(moved[landmarks.NOSE_TIP], moved[[landmarks.LEFT_EYE, landmarks.RIGHT_EYE]].mean())
        self.assertGreater(moved[[landmarks.LEFT_EYE, landmarks.RIGHT_EYE]].mean(), 0.0)

    def test_identities_differ_more_than_images_of_one(self):
        # The light is the same for all and only the middle of the face is looked at: it is the person that is compared.
        faces = np.array(
            [[render_face(draw_identity(0, number), _scene(index))[0] for index in range(6)] for number in range(10)]
        )[:, :, 12:50, 12:36].astype(np.float32)
        within = faces.var(axis=1).mean()
        between = faces.mean(axis=1).var(axis=0).mean()
        self.assertGreater(between, within)


class MeanLandmarksTest(absltest.TestCase):
    def test_scales_with_the_picture(self):
        face = landmarks.mean_landmarks(55, 47)
        self.assertEqual(face.shape, (landmarks.COUNT, 2))
        self.assertEqual(face.dtype, np.float32)
        np.testing.assert_allclose(landmarks.mean_landmarks(110, 141), face * (3.0, 2.0), rtol=1e-6)


if __name__ == "__main__":
    absltest.main()
