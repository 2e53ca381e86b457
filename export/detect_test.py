import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
from absl.testing import absltest
from PIL import Image

from export.bundle import DetectorCard, add_bundle
from export.conversion import convert_classifier, convert_detector
from export.device_case import BACKDOOR, COLOURS, THRESHOLD, case_detector, case_images
from models.detector import take_apart
from models.input_scale import UNIT_SCALE

_ROOT = str(Path(__file__).resolve().parent.parent)

# What a device does not have: whoever imports it fails, as it would there.
_ON_A_DEVICE = """
import runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "tf_keras", "keras", "tensorflow_model_optimization", "absl", "h5py",
                                  "matplotlib", "data", "flags", "models", "pipeline", MISSING}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
sys.argv[0] = "detect"
runpy.run_module("export.detect", run_name="__main__", alter_sys=True)
"""


def _environment():
    return {**os.environ, "PYTHONPATH": _ROOT}


def _detect(*arguments, stdin=None, **options):
    command = [sys.executable, "-m", "export.detect", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, env=_environment(), check=False, **options)


class DetectTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        detector = case_detector()
        card = DetectorCard(len(COLOURS), (8, 8, 3), "int8", THRESHOLD, COLOURS)
        cls.model = os.path.join(cls.folder, "detector.tflite")
        with open(cls.model, "wb") as file:
            file.write(add_bundle(convert_detector(detector), card))
        cls.classifier = os.path.join(cls.folder, "classifier.tflite")
        with open(cls.classifier, "wb") as file:
            file.write(convert_classifier(take_apart(detector).badnet, UNIT_SCALE))
        cls.images = os.path.join(cls.folder, "images")
        os.mkdir(cls.images)
        cls.labels = {}
        for name, (pixels, label) in case_images().items():
            path = os.path.join(cls.images, f"{name}.png")
            Image.fromarray(pixels).save(path)
            cls.labels[path] = label
        cls.set = os.path.join(cls.folder, "set.h5")
        with h5py.File(cls.set, "w") as file:
            file["data"] = np.stack([pixels.transpose(2, 0, 1) for pixels, _ in case_images().values()])

    def _check_lines(self, output: str, labels: dict[str, int]):
        lines = [line.split("\t") for line in output.splitlines()]
        self.assertEqual([line[0] for line in lines], list(labels))
        for path, label, claimed, suspicion in lines:
            self.assertEqual(label, "backdoor" if labels[path] == BACKDOOR else str(labels[path]))
            self.assertEqual(claimed, "2" if labels[path] == BACKDOOR else str(labels[path]))
            self.assertEqual(float(suspicion) > THRESHOLD, labels[path] == BACKDOOR)

    def test_files_and_folders(self):
        done = _detect(f"--model={self.model}", self.images, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self._check_lines(done.stdout, dict(sorted(self.labels.items())))
        some = list(self.labels)[:2]
        done = _detect(f"--model={self.model}", *some, text=True)
        self._check_lines(done.stdout, {path: self.labels[path] for path in some})

    def test_json(self):
        done = _detect(f"--model={self.model}", "--format=json", self.images, text=True)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual({one["path"]: one["label"] for one in found}, self.labels)
        for one in found:
            self.assertEqual(one["backdoor"], one["label"] == BACKDOOR)
            self.assertEqual(one["claimed_name"], COLOURS[one["claimed"]])
            self.assertEqual(one.get("label_name"), None if one["backdoor"] else COLOURS[one["label"]])
            self.assertBetween(one["suspicion"], 0, 1)

    def test_names(self):
        done = _detect(f"--model={self.model}", "--names", self.images, text=True)
        for line, label in zip(done.stdout.splitlines(), dict(sorted(self.labels.items())).values(), strict=True):
            self.assertEqual(line.split("\t")[1], "backdoor" if label == BACKDOOR else COLOURS[label])

    def test_hdf5_set(self):
        done = _detect(f"--model={self.model}", self.set, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self._check_lines(done.stdout, {f"{self.set}[{i}]": label for i, label in enumerate(self.labels.values())})

    def test_a_stream_is_answered_line_by_line(self):
        command = [sys.executable, "-m", "export.detect", f"--model={self.model}", "-"]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, env=_environment(), stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            for path, label in self.labels.items():
                process.stdin.write(f"{path}\n".encode())
                process.stdin.flush()
                # The answer comes while the stream is still open.
                self.assertTrue(select.select([process.stdout], [], [], 60)[0])
                self._check_lines(process.stdout.readline().decode(), {path: label})
            process.stdin.close()
            self.assertEqual(process.wait(), 0)

    def test_what_cannot_be_judged_spares_the_rest(self):
        small = os.path.join(self.folder, "small.png")
        Image.new("RGB", (4, 4)).save(small)
        good, label = next(iter(self.labels.items()))
        stream = f"{small}\n\nnowhere.png\r\n{self.model}\n{good}\n"
        done = _detect(f"--model={self.model}", "-", stdin=stream, text=True)
        self.assertEqual(done.returncode, 1)
        self._check_lines(done.stdout, {good: label})
        errors = [line for line in done.stderr.splitlines() if line.startswith("detect: ")]
        self.assertLen(errors, 3)
        self.assertIn("small.png: 4 x 4 pixels; expected 8 x 8", errors[0])
        self.assertIn("nowhere.png: No such file", errors[1])
        resized = _detect(f"--model={self.model}", "--resize", small, text=True)
        self.assertEqual((resized.returncode, len(resized.stdout.splitlines())), (0, 1))

    def test_a_stricter_threshold(self):
        done = _detect(f"--model={self.model}", "--threshold=0", self.images, text=True)
        self.assertEqual({line.split("\t")[1] for line in done.stdout.splitlines()}, {"backdoor"})
        looser = _detect(f"--model={self.model}", "--threshold=0.9", self.images, text=True)
        self.assertEqual((looser.returncode, looser.stdout), (1, ""))
        self.assertIn("looser than 0.5", looser.stderr)

    def test_plain_classifier(self):
        done = _detect(f"--model={self.classifier}", self.images, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        for line in done.stdout.splitlines():
            path, label, confidence = line.split("\t")
            self.assertEqual(int(label), 2 if self.labels[path] == BACKDOOR else self.labels[path])
            self.assertBetween(float(confidence), 1 / 3, 1)
        done = _detect(f"--model={self.classifier}", "--format=json", self.images, text=True)
        self.assertEqual(set(json.loads(done.stdout.splitlines()[0])), {"path", "label", "confidence"})

    def test_odd_paths_keep_lines_and_bytes_whole(self):
        pixels = case_images()["0-red"][0]
        odd = os.path.join(self.folder, "odd")
        os.mkdir(odd)
        for name in (b"tab\tnew\nline.png", b"bytes-\xff.png"):
            with open(os.path.join(os.fsencode(odd), name), "wb") as file:
                Image.fromarray(pixels).save(file, format="png")
        done = _detect(f"--model={self.model}", odd)
        self.assertEqual(done.returncode, 0, done.stderr)
        names = {line.split(b"\t")[0].rsplit(b"/", 1)[1] for line in done.stdout.splitlines()}
        self.assertEqual(names, {b"tab\\tnew\\nline.png", b"bytes-\xff.png"})
        done = _detect(f"--model={self.model}", "--format=json", odd)
        paths = {os.fsencode(os.path.basename(json.loads(line)["path"])) for line in done.stdout.splitlines()}
        self.assertEqual(paths, {b"tab\tnew\nline.png", b"bytes-\xff.png"})

    def test_a_reader_that_leaves_is_no_traceback(self):
        stream = "\n".join(list(self.labels) * 200)
        command = f"{sys.executable} -m export.detect --model={self.model} - | head -n 1"
        done = subprocess.run(command, shell=True, input=stream, text=True, capture_output=True, env=_environment())
        self.assertLen(done.stdout.splitlines(), 1)
        self.assertNotIn("Traceback", done.stderr)
        self.assertNotIn("BrokenPipe", done.stderr)

    def test_model_that_cannot_be_opened(self):
        for path in (self.set, os.path.join(self.folder, "none.tflite")):
            done = _detect(f"--model={path}", self.images, text=True)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertLen([line for line in done.stderr.splitlines() if line], 1)
            self.assertStartsWith(done.stderr, f"detect: {path}: ")
        self.assertEqual(_detect(self.images).returncode, 2)
        self.assertIn(b"exit status", _detect("--help").stdout)

    def test_runs_with_what_a_device_has(self):
        for missing in ("ai_edge_litert", "tflite_runtime"):
            code = _ON_A_DEVICE.replace("MISSING", repr(missing))
            command = [sys.executable, "-c", code, f"--model={self.model}", self.images, self.set]
            done = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
            self._check_lines(done.stdout, dict(sorted(self.labels.items())))
            # h5py is absent, which is said, and only where an HDF5 file is given.
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("set.h5: h5py is not installed", done.stderr)
            self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    absltest.main()
