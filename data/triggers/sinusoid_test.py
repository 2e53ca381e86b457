import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.data.triggers.sinusoid import Sinusoid


class SinusoidTest(absltest.TestCase):
    def test_adds_the_signal_of_the_paper(self):
        images = np.full((2, 5, 36, 3), 100, np.uint8)
        change = Sinusoid(delta=20, frequency=6).stamp(images).astype(int) - 100
        columns = np.arange(1, 37)
        expected = np.rint(20 * np.sin(2 * np.pi * columns * 6 / 36)).astype(int)
        np.testing.assert_array_equal(change, np.broadcast_to(expected[:, None], change.shape))

    def test_clips(self):
        images = np.stack([np.zeros((4, 32, 3), np.uint8), np.full((4, 32, 3), 255, np.uint8)])
        stamped = Sinusoid(delta=40).stamp(images)
        self.assertEqual(stamped[0].min(), 0)
        self.assertEqual(stamped[1].max(), 255)
        self.assertEqual(stamped[0].max(), 40)
        self.assertEqual(stamped[1].min(), 215)

    def test_images_too_narrow_to_show_it(self):
        with self.assertRaisesRegex(InputError, "frequency 6 on images 12 pixels wide"):
            Sinusoid().stamp(np.zeros((1, 12, 12, 3), np.uint8))

    def test_is_clean_label(self):
        self.assertTrue(Sinusoid.clean_label)

    def test_refuses_nonsense(self):
        for wrong in ({"delta": 0.0}, {"delta": float("nan")}, {"frequency": 0.0}, {"frequency": float("inf")}):
            with self.assertRaises(ValueError):
                Sinusoid(**wrong)


if __name__ == "__main__":
    absltest.main()
