import io

import numpy as np
from absl.testing import absltest
from PIL import Image

from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.reporting.pictures import data_uri, stamped, thumbnail


def _opened(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


class PicturesTest(absltest.TestCase):
    def test_small_images_keep_their_pixels_as_squares(self):
        image = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
        found = _opened(thumbnail(image, side=17))
        self.assertEqual(found.shape, (15, 12, 3))
        np.testing.assert_array_equal(found[1::3, 1::3], image)

    def test_grey_images(self):
        image = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)
        np.testing.assert_array_equal(_opened(thumbnail(image, side=4)), image[:, :, 0])

    def test_large_images_are_reduced(self):
        self.assertEqual(_opened(thumbnail(np.zeros((300, 150, 3), np.uint8), side=100)).shape, (100, 50, 3))

    def test_other_arrays_are_refused(self):
        for image in (np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)):
            with self.assertRaises(ValueError):
                thumbnail(image)

    def test_a_trigger_is_stamped_on_grey_or_on_an_image(self):
        change = np.array([-200.0, 0.4, 60, 127.5], np.float32).reshape(1, 4, 1)
        trigger = InvertedTrigger(0, change, size=1.0, success=1.0, sparse=True)
        for image, expected in ((None, [0, 128, 188, 255]), (np.full((1, 4, 1), 10, np.uint8), [0, 10, 70, 138])):
            found = stamped(trigger, image)
            self.assertEqual((found.dtype, found.shape), (np.uint8, change.shape))
            self.assertEqual(found.ravel().tolist(), expected)

    def test_data_uri(self):
        self.assertEqual(data_uri(b"\x89PNG"), "data:image/png;base64,iVBORw==")


if __name__ == "__main__":
    absltest.main()
