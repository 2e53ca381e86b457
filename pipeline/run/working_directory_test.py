import os
import tempfile
from unittest import mock

from absl.testing import absltest

from goodnet.pipeline.run.working_directory import enter_working_directory


class WorkingDirectoryTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(os.chdir, os.getcwd())
        self.started_in = self.enter_context(tempfile.TemporaryDirectory())
        os.chdir(self.started_in)

    def test_enters_the_folder_that_bazel_run_was_typed_in(self):
        typed_in = self.enter_context(tempfile.TemporaryDirectory())
        with open(os.path.join(typed_in, "model.h5"), "w"):
            pass
        with mock.patch.dict(os.environ, {"BUILD_WORKING_DIRECTORY": typed_in}):
            enter_working_directory()
        self.assertTrue(os.path.exists("model.h5"))

    def test_stays_when_bazel_did_not_start_it(self):
        environment = {name: value for name, value in os.environ.items() if name != "BUILD_WORKING_DIRECTORY"}
        with mock.patch.dict(os.environ, environment, clear=True):
            enter_working_directory()
        self.assertEqual(os.path.realpath(os.getcwd()), os.path.realpath(self.started_in))


if __name__ == "__main__":
    absltest.main()
