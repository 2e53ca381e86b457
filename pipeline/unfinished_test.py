"""Tests of the working folder of a run."""

import os

from absl.testing import absltest

from data.errors import InputError
from pipeline.outputs import write_bytes
from pipeline.unfinished import close_work_dir, open_work_dir, publish, remove_earlier

_REQUEST = {"settings": {"epochs": 3, "layers": ("a", "b")}, "seed": 0, "inputs": {"model.h5": "12"}, "code": "34"}


class WorkDirTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.out_dir = self.create_tempdir().full_path
        self.folder = open_work_dir(self.out_dir, _REQUEST, resume=False)
        write_bytes(os.path.join(self.folder, "checkpoint"), b"state")

    def test_it_is_hidden(self):
        self.assertEqual(os.path.dirname(self.folder), self.out_dir)
        self.assertStartsWith(os.path.basename(self.folder), ".")

    def test_a_resumed_run_finds_what_the_interrupted_one_left(self):
        self.assertEqual(open_work_dir(self.out_dir, _REQUEST, resume=True), self.folder)
        self.assertIn("checkpoint", os.listdir(self.folder))

    def test_a_run_that_is_not_resumed_finds_nothing(self):
        open_work_dir(self.out_dir, _REQUEST, resume=False)
        self.assertNotIn("checkpoint", os.listdir(self.folder))

    def test_without_an_interrupted_run_a_resumed_one_starts_from_the_beginning(self):
        close_work_dir(self.folder)
        self.assertEmpty(os.listdir(self.out_dir))
        self.assertTrue(os.path.isdir(open_work_dir(self.out_dir, _REQUEST, resume=True)))

    def test_other_settings_are_refused_and_named(self):
        for changed, named in (
            ({"settings": {"epochs": 4, "layers": ["a", "b"]}}, "epochs = 3 instead of 4"),
            ({"seed": 1}, "seed = 0 instead of 1"),
            ({"inputs": {"model.h5": "34"}}, "model.h5 = 12 instead of 34"),
            ({"code": "56"}, "code = 34 instead of 56"),
            ({"inputs": {"model.h5": "12", "clean.h5": "5"}}, "other settings"),
        ):
            expected = f"--resume: .*{named}.*same flags, files and version"
            with self.subTest(named), self.assertRaisesRegex(InputError, expected):
                open_work_dir(self.out_dir, {**_REQUEST, **changed}, resume=True)
            self.assertIn("checkpoint", os.listdir(self.folder))

    def test_a_request_that_was_never_whole_is_no_interrupted_run(self):
        # As a run leaves it that is killed while it clears the folder away.
        os.remove(os.path.join(self.folder, "request.json"))
        open_work_dir(self.out_dir, _REQUEST, resume=True)
        self.assertNotIn("checkpoint", os.listdir(self.folder))


class PublishTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.out_dir = self.create_tempdir().full_path
        self.folder = open_work_dir(self.out_dir, _REQUEST, resume=False)

    def test_moves_files(self):
        for name in ("model", "detector"):
            write_bytes(os.path.join(self.folder, name), name.encode())
        publish(self.folder, self.out_dir, ["model", "detector"])
        self.assertCountEqual(os.listdir(self.out_dir), ["model", "detector", ".unfinished"])
        self.assertEqual(os.listdir(self.folder), ["request.json"])

    def test_earlier_files_go_and_others_stay(self):
        for name in ("manifest", "model", "notes"):
            write_bytes(os.path.join(self.out_dir, name), b"")
        remove_earlier(self.out_dir, ["manifest", "metrics", "model"])
        self.assertCountEqual(os.listdir(self.out_dir), ["notes", ".unfinished"])


if __name__ == "__main__":
    absltest.main()
