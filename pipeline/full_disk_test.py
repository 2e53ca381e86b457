"""Tests of a disk that is full: small file systems in memory, in a mount namespace of their own."""

import contextlib
import os
import subprocess
import tempfile

from absl.testing import absltest

from testing.example_case import example_case
from testing.example_runs import binaries

# KiB. The checkpoints of this case take about 70, each network about 40, all files about 600.
_SIZES = (4, 96)
_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


def _can_mount():
    with contextlib.suppress(FileNotFoundError), tempfile.TemporaryDirectory() as folder:
        return subprocess.call([*_NAMESPACE, "mount", "-t", "tmpfs", "none", folder], stderr=subprocess.DEVNULL) == 0
    return False


class FullDiskTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not _can_mount():
            raise absltest.SkipTest("unshare --mount is not allowed here: no file system can be made small")
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        for size in _SIZES:
            os.mkdir(os.path.join(cls.folder, str(size)))
        mounts = [f"mount -t tmpfs -o size={size}k none {cls.folder}/{size}" for size in _SIZES]
        script = " && ".join([*mounts, 'exec "$@"'])
        cls.binaries = cls.enterClassContext(binaries(*_NAMESPACE, "sh", "-c", script, "sh"))
        cls.case = example_case()

    def disk(self, size):
        """A folder of the full disk as the binaries see it, and as it is seen from here."""
        inside = os.path.join(self.folder, str(size))
        return inside, f"/proc/{self.binaries.pid}/root{inside}"

    def assert_no_room(self, ended):
        self.assertEqual(ended.status, 1, ended.stderr)
        said = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
        self.assertLen(said, 1, ended.stderr)
        self.assertRegex(said[0], "No space left on device.*; expected a writable folder with room")
        self.assertNotIn("Traceback", ended.stderr)

    def test_repair(self):
        case = self.case
        for size in _SIZES:
            inside, outside = self.disk(size)
            with self.subTest(size):
                ended = self.binaries.run(
                    "repair", case.model, f"--clean_data={case.clean}", f"--out_dir={inside}", "--method=fine-pruning",
                    "--pruning_epochs=1", "--fine_tuning_epochs=1",
                )  # fmt: skip
                self.assert_no_room(ended)
                left = {name for name in os.listdir(outside) if not name.startswith(".")}
                # Nothing, or the models with the manifest that describes them; the report found no room then.
                self.assertIn("manifest.json" if left else "nothing", left or {"nothing"})

    def test_the_others(self):
        case = self.case
        inside, outside = self.disk(4)
        for argv in (
            ("evaluate", f"--model={case.model}", f"--test_data={case.test}", f"--out_dir={inside}"),
            ("export", f"--model={case.model}", f"--clean_data={case.clean}", f"--output={inside}/model.tflite"),
            ("audit", f"--model={case.model}", f"--clean_data={case.clean}", f"--out_dir={inside}"),
            (
                "attack", f"--dataset={case.clean}", f"--test_data={case.test}", f"--out_dir={inside}", "--epochs=1",
                "--trigger=patch@1:size=3", "--network=vgg",
            ),
        ):  # fmt: skip
            with self.subTest(argv[0]):
                self.assert_no_room(self.binaries.run(*argv))
                self.assertEqual([name for name in os.listdir(outside) if not name.startswith(".")], [])


if __name__ == "__main__":
    absltest.main()
