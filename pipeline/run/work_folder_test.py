"""Tests of the working folder of a run."""

import json
import os
from unittest import mock

from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.pipeline.run.output_files import write_bytes
from goodnet.pipeline.run.work_folder import check_unnamed, close_work_dir, open_work_dir, publish, remove_earlier

_REQUEST = {"settings": {"epochs": 3, "layers": ("a", "b")}, "seed": 0, "inputs": {"model.h5": "12"}, "code": "34"}


class WorkDirTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        cache = self.create_tempdir().full_path
        self.enter_context(mock.patch.dict(os.environ, {"XDG_CACHE_HOME": cache}))
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

    def test_what_no_run_leaves_is_refused_and_kept(self):
        request = os.path.join(self.folder, "request.json")
        for content, named in (
            (b"", "Expecting value"),
            (b"no json", "Expecting value"),
            (b"\xff\xfe\xfd", "codec"),
            (b"[" * 10**5, "recursion"),
            (b"[]", "no JSON object"),
            (b"{}", "other settings"),
            (b'{"settings": 3, "inputs": {}}', "settings = 3 instead of"),
        ):
            write_bytes(request, content)
            with self.subTest(content[:20]), self.assertRaisesRegex(InputError, f"--resume: .*{named}.*; expected"):
                open_work_dir(self.out_dir, _REQUEST, resume=True)
            self.assertIn("checkpoint", os.listdir(self.folder))
        other = self.create_tempfile(content=json.dumps(_REQUEST)).full_path
        for make in (lambda: os.mkdir(request), lambda: os.symlink(other, request), lambda: os.mkfifo(request)):
            (os.rmdir if os.path.isdir(request) else os.unlink)(request)
            make()
            with self.assertRaisesRegex(InputError, "--resume: .*request.json: .*; expected what an interrupted run"):
                open_work_dir(self.out_dir, _REQUEST, resume=True)
        # Without --resume the run starts anew, whatever is there.
        for make in (lambda: os.symlink(other, request), lambda: os.mkdir(request)):
            os.unlink(request)
            make()
            open_work_dir(self.out_dir, _REQUEST, resume=False)
            self.assertEqual(os.listdir(self.folder), ["request.json"])
            self.assertTrue(os.path.isfile(request))
        self.assertTrue(os.path.exists(other))

    def test_a_link_in_its_place_is_refused_and_nothing_deleted(self):
        other = self.create_tempdir()
        other.create_file("request.json")
        close_work_dir(self.folder)
        os.symlink(other.full_path, self.folder)
        for resume in (False, True):
            with self.assertRaisesRegex(InputError, ".unfinished: a link; expected"):
                open_work_dir(self.out_dir, _REQUEST, resume)
        with self.assertRaisesRegex(InputError, "a link"):
            close_work_dir(self.folder)
        self.assertEqual(os.listdir(other.full_path), ["request.json"])

    def test_links_in_it_are_removed_and_not_followed(self):
        other = self.create_tempdir()
        other.create_file("kept")
        os.symlink(other.full_path, os.path.join(self.folder, "link"))
        close_work_dir(self.folder)
        self.assertEmpty(os.listdir(self.out_dir))
        self.assertEqual(os.listdir(other.full_path), ["kept"])

    def test_a_folder_that_no_flag_names_may_have_come_with_the_model(self):
        link = os.path.join(self.create_tempdir().full_path, "bad_repaired")
        os.symlink(self.out_dir, link)
        with self.assertRaisesRegex(InputError, "bad_repaired: a link, which may have come with the model"):
            check_unnamed(link, resume=False)
        check_unnamed(self.out_dir, resume=True)
        with mock.patch.dict(os.environ, {"XDG_CACHE_HOME": self.create_tempdir().full_path}):
            check_unnamed(self.out_dir, resume=False)
            with self.assertRaisesRegex(InputError, "--resume: .*may have come with the model; expected --out_dir="):
                check_unnamed(self.out_dir, resume=True)
        # Who copies what this user's run left, does not know the name of a run that was not finished.
        write_bytes(os.path.join(self.folder, "request.json"), json.dumps(_REQUEST).encode())
        with self.assertRaisesRegex(InputError, "may have come with the model"):
            check_unnamed(self.out_dir, resume=True)


class PublishTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        cache = self.create_tempdir().full_path
        self.enter_context(mock.patch.dict(os.environ, {"XDG_CACHE_HOME": cache}))
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
