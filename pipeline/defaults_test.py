"""The defaults in Python are those of the command line."""

import dataclasses

from absl.testing import absltest

from flags import detection, exporting, inputs, methods, pruning, running
from models.input_scale import DEFAULT_SCALES
from pipeline.methods.repair_method import RepairSettings
from pipeline.repairing import Options
from pipeline.suspect import scale_candidates


class DefaultsTest(absltest.TestCase):
    def test_settings(self):
        flags = {
            "max_accuracy_loss": pruning.MAX_ACCURACY_LOSS,
            "pruned_layers": pruning.PRUNED_LAYERS,
            "pruning_epochs": pruning.PRUNING_EPOCHS,
            "fine_tuning_epochs": pruning.FINE_TUNING_EPOCHS,
            "learning_rate": pruning.LEARNING_RATE,
            "batch_size": running.BATCH_SIZE,
            "max_shift": pruning.MAX_SHIFT,
            "max_zoom": pruning.MAX_ZOOM,
            "max_light": pruning.MAX_LIGHT,
            "tune_all_layers": pruning.TUNE_ALL_LAYERS,
            "tune_batch_norm": pruning.TUNE_BATCH_NORM,
            "without_evidence": methods.WITHOUT_EVIDENCE,
            "seed": running.SEED,
        }
        self.assertEqual(dataclasses.asdict(RepairSettings()), {name: flag.default for name, flag in flags.items()})

    def test_options(self):
        options = Options(out_dir="out")
        self.assertEqual(options.method, methods.METHOD.default)
        self.assertEqual(options.max_false_positive_rate, detection.MAX_FALSE_POSITIVE_RATE.default)
        self.assertEqual(options.novelty, detection.NOVELTY.default)
        self.assertEqual(options.strip, detection.STRIP.default)
        self.assertEqual(options.precision, exporting.PRECISION.default)
        self.assertEqual(options.skip_broken_images, inputs.SKIP_BROKEN_IMAGES.default)
        self.assertEqual(options.architecture, inputs.ARCHITECTURE.default)
        self.assertEqual(options.max_multiply_adds, inputs.MAX_MULTIPLY_ADDS.default)
        self.assertEqual(scale_candidates(inputs.INPUT_SCALE.default), DEFAULT_SCALES)


if __name__ == "__main__":
    absltest.main()
