import contextlib
import os
import pathlib
import socket

from absl.testing import absltest

from goodnet.export.regular_files import Entry, entries, open_regular, regular_files, walk


class RegularFilesTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        (self.folder / "b").mkdir()
        (self.folder / "a.txt").write_text("a")
        (self.folder / "c.txt").write_text("c")
        (self.folder / "b" / "d.txt").write_text("d")
        (self.folder / "link.txt").symlink_to("a.txt")
        (self.folder / "itself.txt").symlink_to("itself.txt")
        (self.folder / "zero.txt").symlink_to("/dev/zero")
        (self.folder / "up").symlink_to(self.folder)
        os.mkfifo(self.folder / "b" / "pipe.txt")

    def test_only_regular_files_and_no_links(self):
        found = [os.path.relpath(path, self.folder) for path in regular_files(str(self.folder))]
        self.assertEqual(found, ["a.txt", "c.txt", "b/d.txt"])

    def test_the_others_are_named_for_what_they_are(self):
        odd = {entry.name: entry.oddity for entry in walk(str(self.folder)) if isinstance(entry, Entry)}
        for name in ("link.txt", "itself.txt", "zero.txt", "up"):
            self.assertEqual(odd[name], "a link, which is not followed")
        self.assertEqual(odd["pipe.txt"], "a pipe")
        self.assertIsNone(odd["a.txt"])
        self.assertEqual([entry.name for entry in entries(str(self.folder)) if entry.is_folder], ["b"])

    def test_a_folder_that_cannot_be_listed(self):
        self.assertIsInstance(next(walk(str(self.folder / "none"))), OSError)
        with self.assertRaises(FileNotFoundError):
            list(regular_files(str(self.folder / "none")))

    def test_opens_regular_files_only(self):
        with open_regular(str(self.folder / "a.txt"), follow_links=False) as file:
            self.assertEqual(file.read(), b"a")
        with open_regular(str(self.folder / "link.txt")) as file:
            self.assertEqual(file.read(), b"a")
        # The name of a socket must be short.
        with socket.socket(socket.AF_UNIX) as one, contextlib.chdir(self.folder):
            one.bind("socket")
        for name, follow, kind in (
            ("link.txt", False, "a link, which is not followed"),
            ("zero.txt", True, "a device"),
            ("b/pipe.txt", True, "a pipe"),
            ("b", True, "a folder"),
            ("socket", True, "a socket"),
        ):
            with self.assertRaisesRegex(ValueError, f"^{kind}; expected a regular file$"):
                open_regular(str(self.folder / name), follow)
        with self.assertRaises(OSError):
            open_regular(str(self.folder / "itself.txt"))


if __name__ == "__main__":
    absltest.main()
