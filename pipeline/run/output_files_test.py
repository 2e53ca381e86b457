"""Tests of files that appear whole or not at all."""

import json
import os
import signal
import subprocess
import sys

from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.pipeline.run.output_files import (
    check_inputs,
    check_replaceable,
    make_folder,
    only_run_in,
    sha256_of,
    write_bytes,
    write_json,
    write_whole,
)

_HOLD = """
import sys, time
from goodnet.pipeline.run.output_files import only_run_in
with only_run_in(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""
_WRITE_TOO_MUCH = """
import resource, signal, sys
import numpy as np
from goodnet.data.errors import InputError
from goodnet.pipeline.run.output_files import write_bytes, write_whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
values = np.random.default_rng(0).random(5000)
try:
    if sys.argv[2] == "bytes":
        write_bytes(sys.argv[1], bytes(5000))
    else:
        write_whole(sys.argv[1], lambda path: np.savez(path, values=values))
except InputError as error:
    print(error)
"""


def _python(program, *argv, **streams):
    return subprocess.Popen([sys.executable, "-c", program, *argv], stdout=subprocess.PIPE, text=True, **streams)


def _content(path):
    with open(path, "rb") as file:
        return file.read()


class WriteWholeTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path
        self.path = os.path.join(self.folder, "file.txt")

    def test_writes_and_replaces(self):
        write_bytes(self.path, b"one")
        write_bytes(self.path, b"two")
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), b"two")
        self.assertEqual(os.listdir(self.folder), ["file.txt"])

    def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(self):
        write_bytes(self.path, b"old")

        def fail(path):
            with open(path, "w") as file:
                file.write("half")
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            write_whole(self.path, fail)
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), b"old")
        self.assertEqual(os.listdir(self.folder), ["file.txt"])

    def test_no_room_is_one_line_that_names_the_file(self):
        for kind, path in (("bytes", self.path), ("zip", self.path[:-3] + "npz")):
            ended = _python(_WRITE_TOO_MUCH, path, kind, stderr=subprocess.PIPE)
            printed, said = ended.communicate()
            self.assertRegex(printed, r"file\.\w+: File too large; expected .* room")
            self.assertEqual(said, "")
            self.assertEmpty(os.listdir(self.folder))

    def test_a_folder_that_is_not_there_is_refused(self):
        with self.assertRaisesRegex(InputError, "nowhere.*No such file"):
            write_bytes(os.path.join(self.folder, "nowhere", "file"), b"")

    def test_only_a_regular_file_is_replaced(self):
        other = self.create_tempfile("other", content="the user's").full_path
        for kind, make in (
            ("a link", lambda: os.symlink(other, self.path)),
            ("a link", lambda: os.symlink(self.path + "nowhere", self.path)),
            ("a device or a pipe", lambda: os.mkfifo(self.path)),
        ):
            make()
            before = os.lstat(self.path)
            with self.assertRaisesRegex(InputError, f"file.txt: {kind}; expected .* a regular file"):
                write_bytes(self.path, b"new")
            self.assertEqual(os.lstat(self.path), before)
            self.assertEqual(os.listdir(self.folder), ["file.txt"])
            os.unlink(self.path)
        self.assertEqual(_content(other), b"the user's")
        os.mkdir(self.path)
        with self.assertRaisesRegex(InputError, "file.txt: a folder; expected"):
            write_bytes(self.path, b"new")

    def test_a_device_that_a_flag_names_is_refused_by_it(self):
        with self.assertRaisesRegex(InputError, "--output=/dev/full: a device or a pipe; expected"):
            check_replaceable("/dev/full", "output")
        check_replaceable(self.path, "output")

    def test_json_holds_names_that_are_not_utf_8(self):
        name = os.fsdecode(b"caf\xe9")
        write_json(self.path, {"name": name})
        with open(self.path, encoding="utf-8") as file:
            self.assertEqual(json.load(file), {"name": name})

    def test_json_holds_no_nan(self):
        with self.assertRaises(ValueError):
            write_json(self.path, {"rate": float("nan")})
        self.assertFalse(os.path.exists(self.path))
        write_json(self.path, {"name": "Löwe"})
        with open(self.path, encoding="utf-8") as file:
            self.assertEqual(json.load(file), {"name": "Löwe"})


class FolderTest(absltest.TestCase):
    def test_makes_folders_in_folders(self):
        path = os.path.join(self.create_tempdir().full_path, "a", "b")
        make_folder(path)
        make_folder(path)
        self.assertEmpty(os.listdir(path))

    def test_a_file_in_its_place_is_refused_by_the_flags_name(self):
        path = self.create_tempfile("taken").full_path
        with self.assertRaisesRegex(InputError, "--cache_dir=.*taken: .*; expected a folder"):
            make_folder(path, "cache_dir")
        with self.assertRaisesRegex(InputError, "--out_dir="):
            make_folder(os.path.join(path, "below"))
        with self.assertRaisesRegex(InputError, "--out_dir=.*: not UTF-8"):
            make_folder(os.path.join(os.path.dirname(path), os.fsdecode(b"caf\xe9")))


class InputsTest(absltest.TestCase):
    def test_files_and_folders_also_behind_a_link_that_was_typed(self):
        folder = self.create_tempdir().full_path
        os.symlink(folder, os.path.join(folder, "link"))
        check_inputs([folder, os.path.join(folder, "link"), self.create_tempfile().full_path])

    def test_what_is_not_there_or_might_never_end(self):
        folder = self.create_tempdir().full_path
        pipe, circle = os.path.join(folder, "pipe"), os.path.join(folder, "circle")
        os.mkfifo(pipe)
        os.symlink(circle, circle)
        for path, named in (
            (os.path.join(folder, "nothing"), "nothing: not found"),
            (pipe, "pipe: neither a file nor a folder"),
            (circle, "circle: Too many levels"),
            ("/dev/zero", "/dev/zero: neither"),
            ("a\0b", "null"),
        ):
            with self.subTest(named), self.assertRaisesRegex(InputError, named):
                check_inputs([folder, path])


class LockTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path

    def _holder(self):
        holder = _python(_HOLD, self.folder)
        self.addCleanup(holder.stdout.close)
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        self.assertEqual(holder.stdout.readline(), "held\n")
        return holder

    def test_a_second_run_is_refused(self):
        self._holder()
        with self.assertRaisesRegex(InputError, "--out_dir=.*another run is writing there"), only_run_in(self.folder):
            self.fail("it was held")

    def test_a_killed_run_holds_nothing(self):
        holder = self._holder()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with only_run_in(self.folder):
            pass
        self.assertEmpty(os.listdir(self.folder))

    def test_it_is_free_again_after_an_error(self):
        with self.assertRaises(KeyboardInterrupt), only_run_in(self.folder):
            raise KeyboardInterrupt
        with only_run_in(self.folder):
            pass
        self.assertEmpty(os.listdir(self.folder))

    def test_many_waiters_never_hold_it_together(self):
        program = """
import os, sys, time
from goodnet.data.errors import InputError
from goodnet.pipeline.run.output_files import only_run_in
end = time.monotonic() + 2
entered = 0
while time.monotonic() < end:
    try:
        with only_run_in(sys.argv[1]):
            os.close(os.open(sys.argv[1] + "/alone", os.O_CREAT | os.O_EXCL))
            os.unlink(sys.argv[1] + "/alone")
            entered += 1
    except InputError:
        pass
print(entered)
"""
        waiters = [_python(program, self.folder) for _ in range(3)]
        entered = [int(waiter.communicate()[0]) for waiter in waiters]
        self.assertEqual([waiter.returncode for waiter in waiters], [0, 0, 0])
        self.assertGreater(sum(entered), 10)

    def test_a_lock_file_that_came_with_the_folder_is_left_alone(self):
        other = self.create_tempfile("other", content="the user's").full_path
        nowhere = os.path.join(self.folder, "nowhere")
        path = os.path.join(self.folder, ".lock")
        for make in (
            lambda: os.symlink(other, path),
            lambda: os.symlink(nowhere, path),
            lambda: write_bytes(path, b"foreign"),
        ):
            make()
            with only_run_in(self.folder):
                pass
            self.assertEqual(os.listdir(self.folder), [".lock"])
            self.assertEqual(_content(other), b"the user's")
            self.assertIn(os.path.islink(path) or _content(path), (True, b"foreign"))
            os.unlink(path)

    def test_links_and_pipes_where_the_run_would_write_are_refused(self):
        other = self.create_tempfile("other", content="the user's").full_path
        os.symlink(other, os.path.join(self.folder, "audit.json"))
        os.mkfifo(os.path.join(self.folder, "pipe"))
        for pattern, kind in (("audit.*", "a link"), ("pipe", "a pipe")):
            with (
                self.assertRaisesRegex(InputError, f"--out_dir=.* in it is {kind}.*; expected"),
                only_run_in(self.folder, replaced=("manifest.json", pattern)),
            ):
                self.fail("it was held")
        with only_run_in(self.folder, replaced=("manifest.json",)):
            pass
        self.assertEqual(_content(other), b"the user's")

    def test_clears_away_what_a_killed_run_was_writing(self):
        unfinished = os.path.join(self.folder, ".writing-abc_12yz")
        os.makedirs(unfinished)
        write_bytes(os.path.join(unfinished, "half"), b"")
        write_bytes(os.path.join(self.folder, f".data.h5.{0:032x}.partial"), b"")
        with only_run_in(self.folder):
            self.assertEmpty(os.listdir(self.folder))

    def test_clears_nothing_away_that_no_run_was_writing(self):
        other = self.create_tempdir("other")
        other.create_file("kept")
        os.symlink(other.full_path, os.path.join(self.folder, ".writing-abc_12yz"))
        os.symlink(os.path.join(other.full_path, "kept"), os.path.join(self.folder, f".link.{0:032x}.partial"))
        for name in ("kept.partial", ".kept.partial", ".writing-notes"):
            write_bytes(os.path.join(self.folder, name), b"")
        os.mkdir(os.path.join(self.folder, f".folder.{0:032x}.partial"))
        before = os.listdir(self.folder)
        with only_run_in(self.folder):
            self.assertCountEqual(os.listdir(self.folder), before)
        self.assertEqual(os.listdir(other.full_path), ["kept"])


class DigestTest(absltest.TestCase):
    def test_a_file(self):
        path = self.create_tempfile(content="abc").full_path
        self.assertEqual(sha256_of(path), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")

    def test_a_folder_by_names_and_contents_in_any_order(self):
        first, second = self.create_tempdir(), self.create_tempdir()
        for folder, order in ((first, ("a/1", "b/2", "c")), (second, ("c", "b/2", "a/1"))):
            for name in order:
                folder.create_file(name, content=name)
        digest = sha256_of(first.full_path)
        self.assertEqual(digest, sha256_of(second.full_path))
        os.rename(os.path.join(second.full_path, "c"), os.path.join(second.full_path, "d"))
        self.assertNotEqual(digest, sha256_of(second.full_path))

    def test_no_link_or_pipe_in_a_folder_is_followed(self):
        folder = self.create_tempdir()
        folder.create_file("a", content="a")
        digest = sha256_of(folder.full_path)
        os.symlink(folder.full_path, os.path.join(folder.full_path, "circle"))
        os.symlink("/dev/zero", os.path.join(folder.full_path, "endless"))
        os.mkfifo(os.path.join(folder.full_path, "pipe"))
        self.assertEqual(sha256_of(folder.full_path), digest)
        with self.assertRaisesRegex(InputError, "pipe: a pipe; expected a regular file"):
            sha256_of(os.path.join(folder.full_path, "pipe"))

    def test_a_name_that_is_not_utf_8(self):
        folder = self.create_tempdir().full_path
        with open(os.path.join(os.fsencode(folder), b"caf\xe9"), "wb"):
            pass
        self.assertLen(sha256_of(folder), 64)


if __name__ == "__main__":
    absltest.main()
