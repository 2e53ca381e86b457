"""Tests of opening and running files on a device."""

import os
import subprocess
import sys
import tempfile

from absl.testing import absltest, parameterized

from goodnet.export.bundle import DetectorCard, add_bundle
from goodnet.export.conversion import convert_detector
from goodnet.export.runtime import RUNTIMES, TfliteFile
from testing.device_case import COLOURS, THRESHOLD, case_detector

_SHAPE = (8, 8, 3)

# tflite_runtime can't be imported beside TensorFlow, nor need it be: this is how a device uses it.
_OPEN_AND_DETECT = """
import sys, numpy
from goodnet.export.answers import open_tflite
for path in sys.argv[2:]:
    try:
        print(open_tflite(path, runtime=sys.argv[1]).detect(numpy.zeros((8, 8, 3), numpy.uint8)), flush=True)
    except ValueError as error:
        print("ValueError:", error, flush=True)
assert "tensorflow" not in sys.modules
"""

# What `scp` does of a newer file to the one that is in use.
_OVERWRITE = """
import os, sys, numpy
from goodnet.export.answers import open_tflite
detector, image = open_tflite(sys.argv[2], runtime=sys.argv[1]), numpy.zeros((8, 8, 3), numpy.uint8)
print(detector.detect(image), flush=True)
with open(sys.argv[2], "r+b") as file:
    file.write(bytes(os.path.getsize(sys.argv[2])))
print(detector.detect(image), flush=True)
os.truncate(sys.argv[2], 0)
print(detector.detect(image), flush=True)
"""


def _card(**fields) -> DetectorCard:
    known = {"classes": len(COLOURS), "image_shape": _SHAPE, "precision": "int8", "threshold": THRESHOLD}
    return DetectorCard(**{**known, **fields})


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def _open_and_detect(runtime: str, *paths: str) -> subprocess.CompletedProcess:
    return _python(_OPEN_AND_DETECT, runtime, *paths)


def _flipped(contents: bytes, place: int) -> bytes:
    return contents[:place] + bytes([contents[place] ^ 4]) + contents[place + 1 :]


class RuntimeTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.detector = case_detector()
        cls.graph = convert_detector(cls.detector)
        cls.path = cls._written("detector.tflite", add_bundle(cls.graph, _card()))

    @classmethod
    def _written(cls, name: str, contents: bytes) -> str:
        path = os.path.join(cls.folder, name)
        with open(path, "wb") as file:
            file.write(contents)
        return path

    @parameterized.parameters(*RUNTIMES)
    def test_no_interpreter_sees_a_file_that_was_damaged_on_its_way(self, runtime):
        whole = add_bundle(self.graph, _card())
        places = [*range(0, len(whole), len(whole) // 40), len(self.graph), *range(len(self.graph), len(whole), 37)]
        damaged = {
            **{f"cut-{place}": whole[:place] for place in (*places, len(whole) - 1, len(whole) - 30)},
            **{f"lost-{place}": whole[:place] + whole[place + 512 :] for place in places if place + 512 < len(whole)},
            **{f"zeros-{place}": whole[:place] + bytes(len(whole) - place) for place in places},
            **{f"flipped-{place}": _flipped(whole, place) for place in places},
        }
        # The file ends in zeros.
        paths = [self._written(f"{name}.tflite", made) for name, made in damaged.items() if made != whole]
        done = _open_and_detect(runtime, self.path, *paths)
        self.assertEqual(done.returncode, 0, done.stderr)
        right, *found = done.stdout.splitlines()
        for path, line in zip(paths, found, strict=True):
            # A flipped bit may be in a date of the archive, which changes nothing.
            if line != right or "flipped" not in path:
                self.assertRegex(line, f"^ValueError: {path}: (it has no card|its card|its graph is not|.*TFLite file)")
                self.assertNotIn(runtime, line)

    @parameterized.parameters(*RUNTIMES)
    def test_a_file_that_is_overwritten_while_it_is_in_use(self, runtime):
        path = self._written("in_use.tflite", add_bundle(self.graph, _card()))
        done = _python(_OVERWRITE, runtime, path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLen(done.stdout.splitlines(), 3)
        self.assertLen(set(done.stdout.splitlines()), 1)

    @parameterized.parameters(0, -1, 257, 1_000_000)
    def test_threads_are_bounded(self, threads):
        with self.assertRaisesRegex(ValueError, f"{threads} threads; expected 1 to 256"):
            TfliteFile(self.path, threads=threads)

    @parameterized.parameters(*RUNTIMES)
    def test_damaged_files_are_one_line_and_no_crash(self, runtime):
        bundled = add_bundle(self.graph, _card())
        changed = bytearray(bundled)
        changed[len(self.graph) // 2] ^= 255
        cases = {
            "empty": b"",
            "text": b"no model at all" * 100,
            "magic": b"\x1c\0\0\0TFL3" + b"\xff" * 1000,
            "half": self.graph[: len(self.graph) // 2],
            "changed": bytes(changed),
            "card_of_another": add_bundle(self.graph, _card(image_shape=(4, 4, 3))),
        }
        for name, contents in cases.items():
            path = self._written(f"{name}.tflite", contents)
            done = _open_and_detect(runtime, path)
            self.assertEqual(done.returncode, 0, f"{name}: {done.stderr}")
            self.assertStartsWith(done.stdout, f"ValueError: {path}: ")
            self.assertLen(done.stdout.splitlines(), 1)

    @parameterized.parameters(*RUNTIMES)
    def test_every_runtime_without_tensorflow(self, runtime):
        done = _open_and_detect(runtime, self.path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertStartsWith(done.stdout, "Detection(label=")

    def test_missing_file_and_missing_runtime(self):
        path = os.path.join(self.folder, "nowhere.tflite")
        with self.assertRaisesRegex(ValueError, "nowhere.tflite: No such file"):
            TfliteFile(path)
        with self.assertRaisesRegex(ValueError, "a folder; expected a regular file"):
            TfliteFile(self.folder)
        pipe = os.path.join(self.folder, "pipe.tflite")
        os.mkfifo(pipe)
        with self.assertRaisesRegex(ValueError, "a pipe; expected a regular file"):
            TfliteFile(pipe)
        with self.assertRaisesRegex(ImportError, "no TFLite runtime"):
            TfliteFile(self.path, runtime="no_such_runtime")


if __name__ == "__main__":
    absltest.main()
