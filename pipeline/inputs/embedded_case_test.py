"""Tests of the case that runs with no flag, with few faces."""

import os
import tempfile

import h5py
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.data.opening import open_image_set
from goodnet.models.classifier import classifier_facts
from goodnet.models.loading.opening import open_model
from goodnet.pipeline.inputs.embedded_case import embedded_case
from goodnet.pipeline.run.output_files import only_run_in, sha256_of
from goodnet.pipeline.training.devices import select_devices
from goodnet.pipeline.training.run_config import RunConfig

_IDENTITIES, _IMAGES = 3, 8


class EmbeddedCaseTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cache = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.run_config = RunConfig(select_devices("cpu").strategy, seed=0)
        cls.case = embedded_case(cls.cache, _IDENTITIES, _IMAGES, cls.run_config)

    def test_holds_a_badnet_clean_images_and_poisoned_ones(self):
        self.assertEqual(classifier_facts(open_model(self.case.model)).classes, _IDENTITIES)
        for path in (self.case.clean, self.case.test):
            images = open_image_set(path)
            self.assertEqual(images.image_shape, (55, 47, 3))
            self.assertFalse(images.is_poisoned)
        poisoned = open_image_set(self.case.poisoned)
        self.assertTrue(poisoned.is_poisoned)
        self.assertEqual(set(poisoned.labels), {0})
        with h5py.File(self.case.clean) as file:
            self.assertEqual(file["data"].shape[1:], (3, 55, 47))

    def test_the_next_run_finds_it(self):
        before = sha256_of(self.cache)
        with self.assertLogs("goodnet", "INFO") as logs:
            found = embedded_case(self.cache, _IDENTITIES, _IMAGES, self.run_config)
        self.assertEqual(found, self.case)
        self.assertIn("found in", logs.output[0])
        self.assertEqual(sha256_of(self.cache), before)

    def test_a_case_that_was_not_finished_is_not_taken_for_one(self):
        folder = os.path.dirname(self.case.model)
        model = sha256_of(self.case.model)
        os.remove(os.path.join(folder, "finished.json"))
        os.remove(self.case.poisoned)
        found = embedded_case(self.cache, _IDENTITIES, _IMAGES, self.run_config)
        self.assertEqual(found, self.case)
        self.assertTrue(os.path.exists(self.case.poisoned))
        # The training was finished and is not done again.
        self.assertEqual(sha256_of(self.case.model), model)

    def test_two_runs_do_not_make_it_at_once(self):
        with (
            only_run_in(os.path.dirname(self.case.model)),
            self.assertRaisesRegex(InputError, "--cache_dir=.*another run is writing there"),
        ):
            embedded_case(self.cache, _IDENTITIES, _IMAGES, self.run_config)

    def test_a_cache_that_cannot_be_written_to_is_refused(self):
        taken = self.create_tempfile().full_path
        with self.assertRaisesRegex(InputError, "--cache_dir="):
            embedded_case(taken, _IDENTITIES, _IMAGES, self.run_config)


if __name__ == "__main__":
    absltest.main()
