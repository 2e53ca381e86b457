import dataclasses

import numpy as np
from absl.testing import absltest, parameterized

from bench.zoo.triggers import kinds
from bench.zoo.triggers.blended import PATTERNS, draw_blended
from bench.zoo.triggers.catalogue import draw_trigger
from bench.zoo.triggers.lights import EFFECTS, FILTER, draw_light
from bench.zoo.triggers.patches import CHECKERBOARD, CUT_OUT, SHAPES, TEXTURES, draw_patch
from bench.zoo.triggers.pictures import SOURCES, picture
from bench.zoo.triggers.specific import SCATTERED, draw_specific
from bench.zoo.triggers.warps import FORMS, draw_smooth_warp
from bench.zoo.triggers.waves import draw_wave
from goodnet.data.errors import InputError
from goodnet.data.triggers.trigger import Trigger, TriggerWithDecoys


def _images(count=6, height=32, width=32):
    """Smooth images with detail, none of them flat."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 216, (count, 8, 8, 3))
    fine = coarse.repeat(-(-height // 8), axis=1).repeat(-(-width // 8), axis=2)[:, :height, :width]
    return np.clip(fine + rng.integers(-15, 16, fine.shape), 0, 255).astype(np.uint8)


class EveryTriggerTest(parameterized.TestCase):
    @parameterized.product(kind=kinds.KINDS, shape=((32, 32), (55, 47)))
    def test_stamps_as_the_protocol_says(self, kind, shape):
        images = _images(6, *shape)
        kept = images.copy()
        for seed in range(12):
            trigger = draw_trigger(kind, np.random.default_rng(seed))
            self.assertIsInstance(trigger, Trigger)
            self.assertEqual(trigger.kind, kind)
            self.assertEqual(trigger.description["kind"], kind)
            self.assertEqual(trigger, draw_trigger(kind, np.random.default_rng(seed)))
            stamped = trigger.stamp(images)
            self.assertEqual((stamped.dtype, stamped.shape), (np.dtype(np.uint8), images.shape))
            np.testing.assert_array_equal(images, kept)
            np.testing.assert_array_equal(stamped, trigger.stamp(images))
            # An image gets the same result in any batch.
            np.testing.assert_array_equal(stamped[2:4], trigger.stamp(images[2:4]))
            self.assertTrue((stamped != images).any(axis=(1, 2, 3)).all(), trigger)

    def test_triggers_of_one_kind_differ(self):
        images = _images()
        for kind in kinds.KINDS:
            stamped = {draw_trigger(kind, np.random.default_rng(seed)).stamp(images).tobytes() for seed in range(10)}
            self.assertEqual(len(stamped), 10, kind)

    def test_wanet_alone_has_decoys(self):
        for kind in kinds.KINDS:
            trigger = draw_trigger(kind, np.random.default_rng(0))
            self.assertEqual(isinstance(trigger, TriggerWithDecoys), kind == kinds.WANET)


class PatchTest(parameterized.TestCase):
    def _patch(self, moving=False, **fields):
        usual = {"height": 0.25, "width": 0.125, "row": 0.5, "column": 1.0, "texture": "plain", "opacity": 1.0}
        return dataclasses.replace(draw_patch(np.random.default_rng(0), moving), **{**usual, **fields})

    @parameterized.product(shape=SHAPES, texture=TEXTURES)
    def test_covers_its_own_place_only(self, shape, texture):
        images = _images()
        changed = (self._patch(shape=shape, texture=texture).stamp(images) != images).any(axis=(0, 3))
        self.assertTrue(changed.any())
        changed[12:20, 28:] = False
        self.assertFalse(changed.any())

    def test_a_checkerboard_is_of_single_pixels(self):
        patch = self._patch(shape=CHECKERBOARD, height=0.1, width=0.1, row=0, column=0)
        board = patch.stamp(_images())[0, :3, :3]
        self.assertEqual(
            board.tolist(), [[list((patch.colour, patch.second)[(i + j) % 2]) for j in range(3)] for i in range(3)]
        )

    def test_opacity_lets_the_image_through(self):
        images = _images()
        half = self._patch(shape="rectangle", opacity=0.5, colour=(200, 100, 0))
        wanted = np.rint(images[:, 12:20, 28:] / 2 + np.array([100, 50, 0]))
        self.assertLessEqual(np.abs(half.stamp(images)[:, 12:20, 28:] - wanted).max(), 1)

    def test_a_moving_patch_is_elsewhere_in_every_image(self):
        images = _images(8)
        changed = (self._patch(moving=True, shape="rectangle").stamp(images) != images).any(axis=3)
        places = {tuple(np.argwhere(one)[0]) for one in changed}
        self.assertGreater(len(places), 5)
        for one in changed:
            rows, columns = np.argwhere(one).T
            self.assertLess(np.ptp(rows), 8)
            self.assertLess(np.ptp(columns), 4)

    def test_cut_outs_show_what_their_seeds_picture_shows(self):
        first, second = (self._patch(shape=CUT_OUT, seed=seed).stamp(_images()) for seed in (1, 2))
        self.assertTrue((first != second).any())
        for source in SOURCES:
            self.assertGreater(picture(source, 3).std(), 10)

    def test_images_too_small_are_refused(self):
        with self.assertRaisesRegex(InputError, "at least 8 x 8"):
            self._patch().stamp(np.zeros((1, 6, 6, 3), np.uint8))


class WholeImageTest(parameterized.TestCase):
    @parameterized.parameters(*PATTERNS)
    def test_a_blend_moves_every_pixel_towards_the_pattern(self, pattern):
        blend = dataclasses.replace(draw_blended(np.random.default_rng(1)), pattern=pattern, alpha=0.2)
        dark, bright = (np.full((1, 32, 32, 3), level, np.uint8) for level in (0, 255))
        low, high = blend.stamp(dark)[0].astype(int), blend.stamp(bright)[0].astype(int)
        self.assertLessEqual(low.max(), 51)
        self.assertLessEqual(np.abs(high - low - 204).max(), 1)
        self.assertGreater(low.std(), 3)

    def test_a_wave_has_its_amplitude_direction_and_frequency(self):
        wave = dataclasses.replace(
            draw_wave(np.random.default_rng(0), False),
            amplitude=20,
            frequency=4,
            angle=0,
            phase=0,
            channels=(1, -0.5, 0),
        )
        change = wave.stamp(np.full((1, 32, 32, 3), 128, np.uint8))[0].astype(int) - 128
        np.testing.assert_array_equal(change, np.broadcast_to(change[:1], change.shape))  # the same in every row
        self.assertEqual(change[0, :, 0].max(), 20)
        self.assertEqual(change[0, :, 1].max(), 10)
        self.assertEqual(np.abs(change[0, :, 2]).max(), 0)
        self.assertEqual(np.abs(np.fft.rfft(change[0, :, 0])).argmax(), 4)

    @parameterized.parameters(*FORMS)
    def test_a_smooth_warp_moves_pixels_no_farther_than_it_says(self, form):
        warp = dataclasses.replace(draw_smooth_warp(np.random.default_rng(0)), form=form, strength=0.1)
        displacement = warp.displacement(32, 32)
        length = np.hypot(*displacement.transpose(2, 0, 1))
        self.assertLessEqual(length.max(), 3.2 + 1e-6)
        self.assertGreater(length.max(), 2)
        self.assertLess(np.abs(np.diff(displacement, axis=0)).max(), 2)
        flat = np.full((1, 32, 32, 3), 77, np.uint8)
        np.testing.assert_array_equal(warp.stamp(flat), flat)

    @parameterized.parameters(*EFFECTS)
    def test_light_changes_a_pixel_by_its_value(self, effect):
        light = dataclasses.replace(draw_light(np.random.default_rng(0)), effect=effect)
        images = np.repeat(_images(1, 32, 32), 2, axis=0)
        images[1] = images[0].reshape(-1, 3)[np.random.default_rng(0).permutation(1024)].reshape(32, 32, 3)
        first, second = (
            {tuple(before): tuple(after) for before, after in zip(one.reshape(-1, 3), two.reshape(-1, 3), strict=True)}
            for one, two in zip(images, light.stamp(images), strict=True)
        )
        self.assertEqual(first == second, effect != FILTER)  # a filter darkens the corners

    def test_scattered_pixels_are_others_in_every_image(self):
        images = _images(4)
        trigger = dataclasses.replace(draw_specific(np.random.default_rng(0)), form=SCATTERED)
        changed = (trigger.stamp(images) != images).any(axis=3)
        self.assertBetween(changed.sum(axis=(1, 2)).min(), 29, 31)
        self.assertLess((changed[0] & changed[1]).sum(), 10)


if __name__ == "__main__":
    absltest.main()
