"""Small images come in large batches, and large ones in small."""

from absl.testing import absltest

from goodnet.data.batch_sizes import images_at_once


class BatchSizesTest(absltest.TestCase):
    def test_pixels_are_bounded_and_images_too(self):
        for side, images in ((1, 256), (32, 256), (64, 256), (65, 248), (224, 20), (1024, 1), (4096, 1)):
            self.assertEqual(images_at_once((side, side, 3)), images, side)
        self.assertEqual(images_at_once((32, 32, 3), most=128), 128)


if __name__ == "__main__":
    absltest.main()
