import json
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from goodnet.export.bundle import DetectorCard, add_bundle
from goodnet.export.conversion import convert_classifier, convert_detector
from goodnet.models.detector import take_apart
from goodnet.models.input_scale import UNIT_SCALE
from testing.device_case import BACKDOOR, COLOURS, THRESHOLD, case_detector, case_images

_ROOT = str(Path(__file__).resolve().parent.parent)

# What a device does not have: whoever imports it fails, as it would there.
_ON_A_DEVICE = """
import runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        absent = {"tensorflow", "tf_keras", "keras", "tensorflow_model_optimization", "absl", "h5py", "matplotlib",
                  "data", "flags", "models", "pipeline", MISSING}
        if name.removeprefix("goodnet.").split(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
sys.argv[0] = "detect"
runpy.run_module("goodnet.export.detect", run_name="__main__", alter_sys=True)
"""


def _environment():
    return {**os.environ, "PYTHONPATH": _ROOT}


def _detect(*arguments, stdin=None, **options):
    command = [sys.executable, "-m", "goodnet.export.detect", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, env=_environment(), check=False, **options)


class DetectTest(parameterized.TestCase):
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
            contents = convert_classifier(take_apart(detector).badnet, UNIT_SCALE)
            file.write(add_bundle(contents, DetectorCard(len(COLOURS), (8, 8, 3), "int8")))
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
        command = [sys.executable, "-m", "goodnet.export.detect", f"--model={self.model}", "-"]
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

    def test_frames_on_standard_input(self):
        frames = np.stack([pixels for pixels, _ in case_images().values()])
        done = _detect(f"--model={self.model}", "--raw=8x8x3", "-", stdin=frames.tobytes())
        self.assertEqual(done.returncode, 0, done.stderr)
        self._check_lines(done.stdout.decode(), {f"-[{i}]": label for i, label in enumerate(self.labels.values())})
        path = os.path.join(self.folder, "frames.npy")
        np.save(path, frames)
        done = _detect(f"--model={self.model}", path, text=True)
        self._check_lines(done.stdout, {f"{path}[{i}]": label for i, label in enumerate(self.labels.values())})
        for shape in ("8x8", "8x8x2", "0x8x3", "8x8x3x1"):
            self.assertEqual(_detect(f"--model={self.model}", f"--raw={shape}", "-", stdin=b"").returncode, 2)

    @parameterized.parameters(signal.SIGTERM, signal.SIGINT)
    def test_a_watched_folder_until_a_signal(self, number):
        spool = os.path.join(self.folder, f"spool-{number}")
        os.mkdir(spool)
        command = [sys.executable, "-m", "goodnet.export.detect", f"--model={self.model}", f"--watch={spool}"]
        with subprocess.Popen(
            command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None and process.stderr is not None
            for path, label in self.labels.items():
                come = os.path.join(spool, os.path.basename(path))
                shutil.copy(path, come)
                self.assertTrue(select.select([process.stdout], [], [], 60)[0])
                self._check_lines(process.stdout.readline(), {come: label})
            process.send_signal(number)
            self.assertEqual((process.wait(60), process.stdout.read()), (0, ""))
            self.assertEmpty(self._lines(process.stderr.read()))
        self.assertEqual(_detect(f"--model={self.model}", f"--watch={spool}/none").returncode, 2)

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

    def test_in_json_every_line_is_a_record_and_errors_are_some(self):
        good, label = next(iter(self.labels.items()))
        done = _detect(f"--model={self.model}", "--format=json", "nowhere.png", good, text=True)
        bad, judged = map(json.loads, done.stdout.splitlines())
        self.assertEqual((done.returncode, bad), (1, {"path": "nowhere.png", "error": "No such file or directory"}))
        self.assertEqual((judged["path"], judged["label"]), (good, label))
        done = _detect("--model=nowhere.tflite", "--format=json", good, text=True)
        (record,) = map(json.loads, done.stdout.splitlines())
        self.assertEqual((done.returncode, record["model"]), (3, "nowhere.tflite"))
        self.assertIn("No such file", record["error"])

    def test_benchmark(self):
        done = _detect(f"--model={self.model}", "--benchmark", "--threads=2", self.images, text=True)
        self._check_lines(done.stdout, dict(sorted(self.labels.items())))
        self.assertRegex(
            self._lines(done.stderr)[-1],
            rf"^detect: benchmark: {len(self.labels)} images, [\d.]+ ms .* MiB of memory; \w+, 2 threads$",
        )
        # This process, which has TensorFlow, is not counted.
        (peak,) = re.findall(r"at most (\d+) MiB", done.stderr)
        self.assertLess(int(peak), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10 / 2)

    def test_a_stricter_threshold(self):
        done = _detect(f"--model={self.model}", "--threshold=0", self.images, text=True)
        self.assertEqual({line.split("\t")[1] for line in done.stdout.splitlines()}, {"backdoor"})
        looser = _detect(f"--model={self.model}", "--threshold=0.9", self.images, text=True)
        self.assertEqual((looser.returncode, looser.stdout), (2, ""))
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
        self.assertEqual(names, {b"tab\\tnew\\nline.png", b"bytes-\\xff.png"})
        done = _detect(f"--model={self.model}", "--format=json", odd)
        paths = {os.fsencode(os.path.basename(json.loads(line)["path"])) for line in done.stdout.splitlines()}
        self.assertEqual(paths, {b"tab\tnew\nline.png", b"bytes-\xff.png"})

    def test_nothing_that_a_terminal_obeys(self):
        odd = os.path.join(self.folder, "terminal")
        os.mkdir(odd)
        name = "c\u009b31m-\u202egpj-\u2028-\u200b-\U000e0041-\u00e9.png"
        Image.fromarray(case_images()["0-red"][0]).save(os.path.join(odd, name))
        done = _detect(f"--model={self.model}", odd, f"{odd}/none\u009b.png", text=True, encoding="utf-8")
        escaped = "c\\x9b31m-\\u202egpj-\\u2028-\\u200b-\\U000e0041-\u00e9.png"
        self.assertEqual(done.stdout.split("\t")[0], f"{odd}/{escaped}")
        self.assertIn("none\\x9b.png: No such file", done.stderr)
        done = _detect(f"--model={self.model}", "--format=json", odd, text=True)
        self.assertEqual(json.loads(done.stdout)["path"], f"{odd}/{name}")

    def test_a_terminal_that_is_ascii(self):
        path = os.path.join(self.folder, "caf\u00e9.png")
        Image.fromarray(case_images()["0-red"][0]).save(path)
        environment = {**_environment(), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
        command = [sys.executable, "-m", "goodnet.export.detect", f"--model={self.model}", path]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertStartsWith(done.stdout, os.path.join(self.folder, "caf\\xe9.png\t0\t"))

    def _run_in_shell(self, command: str, **options):
        command = command.format(detect=f"{sys.executable} -m export.detect", model=self.model, images=self.images)
        return subprocess.run(
            command, shell=True, capture_output=True, text=True, env=_environment(), check=False, **options
        )

    def _lines(self, text: str) -> list[str]:
        """What is on standard error, but for a runtime's own information."""
        return [line for line in text.splitlines() if not line.startswith("INFO: ")]

    def test_answers_that_cannot_be_written(self):
        done = self._run_in_shell("{detect} --model={model} {images} > /dev/full")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(
            self._lines(done.stderr), ["detect: standard output: No space left on device; the last answers are lost"]
        )

    def test_closed_standard_streams(self):
        done = self._run_in_shell("{detect} --model={model} {images} >&-")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(
            self._lines(done.stderr),
            ["detect: standard output is closed; expected somewhere to write the answers to"],
        )
        for closed in ("<&-", "2>&-", "<&- 2>&-"):
            done = self._run_in_shell("{detect} --model={model} {images} " + closed)
            self.assertEqual(done.returncode, 0)
            self._check_lines(done.stdout, dict(sorted(self.labels.items())))
        done = self._run_in_shell("{detect} --model={model} - {images} <&- >&- 2>&-")
        self.assertEqual(done.returncode, 1)

    def test_a_stream_that_cannot_be_read(self):
        done = self._run_in_shell("{detect} --model={model} - 0> /dev/null")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(
            self._lines(done.stderr), ["detect: standard input: Bad file descriptor; expected paths, one a line"]
        )

    def test_a_file_without_its_card(self):
        with open(self.model, "rb") as whole:
            contents = whole.read()
        path = os.path.join(self.folder, "cut.tflite")
        with open(path, "wb") as file:
            file.write(contents[:-30])
        done = _detect(f"--model={path}", self.images, text=True)
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertEqual(len(self._lines(done.stderr)), 1)
        self.assertIn("cut.tflite: it has no card", done.stderr)
        done = _detect(f"--model={path}", "--allow_missing_card", self.images, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self._check_lines(done.stdout, dict(sorted(self.labels.items())))

    def test_too_many_threads(self):
        done = _detect(f"--model={self.model}", "--threads=1000000", self.images, text=True)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(self._lines(done.stderr), ["detect: 1000000 threads; expected 1 to 256"])

    def test_pipes_and_devices(self):
        pipe, zero = os.path.join(self.folder, "pipe.png"), os.path.join(self.folder, "zero.png")
        os.mkfifo(pipe)
        os.symlink("/dev/zero", zero)
        done = _detect(f"--model={self.model}", pipe, zero, text=True, timeout=100)
        self.assertEqual(
            self._lines(done.stderr),
            [
                f"detect: {pipe}: a pipe; expected a regular file",
                f"detect: {zero}: a device; expected a regular file",
            ],
        )
        for path in (pipe, zero):
            done = _detect(f"--model={path}", self.images, text=True, timeout=100)
            self.assertEqual(done.returncode, 3)
            self.assertIn("expected a regular file", done.stderr)

    def test_nothing_of_the_folder_where_it_is_started_is_imported(self):
        strange = os.path.join(self.folder, "strange")
        os.mkdir(strange)
        for name in ("h5py", "PIL", "numpy", "argparse", "unicodedata", "lzma"):
            with open(os.path.join(strange, f"{name}.py"), "w") as file:
                file.write("open('imported', 'w').close()\n")
        done = _detect(f"--model={self.model}", self.set, self.images, text=True, cwd=strange)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("imported", os.listdir(strange))

    def test_a_reader_that_leaves_is_no_traceback(self):
        stream = "\n".join(list(self.labels) * 200)
        done = self._run_in_shell("{detect} --model={model} - | head -n 1", input=stream)
        self.assertLen(done.stdout.splitlines(), 1)
        self.assertNotIn("Traceback", done.stderr)
        self.assertNotIn("BrokenPipe", done.stderr)

    def test_model_that_cannot_be_opened(self):
        for path in (self.set, os.path.join(self.folder, "none.tflite")):
            done = _detect(f"--model={path}", self.images, text=True)
            self.assertEqual((done.returncode, done.stdout), (3, ""))
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
