"""The defaults in Python are those of the command line."""

from absl.testing import absltest

from goodnet.flags import inputs, running
from goodnet.models.input_scale import DEFAULT_SCALES
from goodnet.pipeline.inputs.suspect import scale_candidates
from goodnet.pipeline.methods.repair_method import RepairSettings
from goodnet.pipeline.repair_steps import Options


class DefaultsTest(absltest.TestCase):
    def test_settings(self):
        settings = RepairSettings()
        self.assertEqual(settings.batch_size, running.BATCH_SIZE.default)
        self.assertEqual(settings.max_shift, running.MAX_SHIFT.default)

    def test_options(self):
        options = Options(out_dir="out")
        self.assertEqual(options.seed, running.SEED.default)
        self.assertEqual(options.precision, running.PRECISION.default)
        self.assertEqual(options.skip_broken_images, inputs.SKIP_BROKEN_IMAGES.default)
        self.assertEqual(options.architecture, inputs.ARCHITECTURE.default)
        self.assertEqual(options.max_multiply_adds, inputs.MAX_MULTIPLY_ADDS.default)
        self.assertEqual(scale_candidates(inputs.INPUT_SCALE.default), DEFAULT_SCALES)


if __name__ == "__main__":
    absltest.main()
