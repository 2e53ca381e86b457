"""Small images come in large batches, and large ones in small."""

from absl.testing import absltest

from goodnet.data.batch_sizes import images_at_once, training_batch


class BatchSizesTest(absltest.TestCase):
    def test_pixels_are_bounded_and_images_too(self):
        for side, images in ((1, 256), (32, 256), (64, 256), (65, 248), (224, 20), (1024, 1), (4096, 1)):
            self.assertEqual(images_at_once((side, side, 3)), images, side)
        self.assertEqual(images_at_once((32, 32, 3), most=128), 128)

    def test_training_has_fewer_large_images_at_once(self):
        for side, images in ((28, 64), (128, 64), (224, 20), (2048, 1)):
            self.assertEqual(training_batch((side, side, 3)), images, side)


if __name__ == "__main__":
    absltest.main()
