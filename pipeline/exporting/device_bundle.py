"""One archive with all that a device needs beside Python: the detector, its names, a runner in one file, how to start.

The runner is `export.detect` with the modules that it imports, as a Python zip application (PEP 441).
"""

import ast
import hashlib
import importlib.resources
import io
import zipfile

from goodnet.export.bundle import LABELS_NAME, DetectorCard, labels_text

MODEL_NAME, RUNNER_NAME, SUMS_NAME = "detector.tflite", "detect.pyz", "SHA256SUMS"
# The runtimes, as requirements-device*.txt pin them: the maintained one wherever it has a wheel.
REQUIREMENTS = """\
ai-edge-litert==2.3.0; platform_machine == "x86_64" or platform_machine == "aarch64" or platform_machine == "arm64"
tflite-runtime==2.14.0; platform_machine != "x86_64" and platform_machine != "aarch64" and platform_machine != "arm64"
numpy; platform_machine == "x86_64" or platform_machine == "aarch64" or platform_machine == "arm64"
numpy<2; platform_machine != "x86_64" and platform_machine != "aarch64" and platform_machine != "arm64"
pillow
"""
_PACKAGE = "goodnet"
_STARTED = "export.detect"
_MAIN = f"from {_PACKAGE}.{_STARTED} import main\n\nraise SystemExit(main())\n"
# The oldest date that a zip can hold: the same detector gives the same bytes on any day.
_NO_DATE = (1980, 1, 1, 0, 0, 0)
_README = """\
# {title}

    sha256sum -c SHA256SUMS                                      # whether all of it arrived whole
    pip install -r requirements.txt
    python detect.pyz --model=detector.tflite photo.png folder/

Python 3.10 or later. One line an image, separated by tabs:
{columns}.

Images are {height} x {width} pixels with {channels} channels; `--resize` takes others. `python detect.pyz --help` says
how to judge a watched folder, a stream of paths, raw frames of a camera, and arrays.

`labels.txt` has the name of each label, in their order. The arithmetic of `detector.tflite` is {precision}.{suspect}

The signature `serving_default` takes `image`, uint8 [1, {height}, {width}, {channels}], raw pixels 0..255{order}.
It gives {outputs}.
`detect.pyz` refuses a file that is not the one that was exported. The programs below do not: check it with `sha256sum`.

## From Python, without the runner

```python
import numpy as np
from PIL import Image
from ai_edge_litert.interpreter import Interpreter  # or tflite_runtime.interpreter

classify = Interpreter("detector.tflite").get_signature_runner("serving_default")
pixels = np.asarray(Image.open("photo.png").convert("{mode}").resize(({width}, {height})), np.uint8)
answer = classify(image=pixels.reshape(1, {height}, {width}, {channels}))
print(answer["label"][0], answer["scores"][0])
```

## With MediaPipe

MediaPipe takes no integer for an answer. `goodnet-export --image_classifier=image_classifier.tflite` writes a file for
it, of the scores alone. This program ran with MediaPipe 1.2.3:

```py
import mediapipe as mp

with mp.tasks.vision.ImageClassifier.create_from_model_path("image_classifier.tflite") as classifier:
    answer = classifier.classify(mp.Image.create_from_file("photo.png"))
best = answer.classifications[0].categories[0]
print(best.category_name, best.score)
```

## From C++

Not compiled when this was written: TensorFlow Lite's headers were not at hand.

```cpp
#include <algorithm>
#include <cstdint>
#include <memory>

#include "tensorflow/lite/interpreter.h"
#include "tensorflow/lite/kernels/register.h"
#include "tensorflow/lite/model.h"

// The label of an image of {height} x {width} x {channels} bytes, or -1 where the graph fails.
int Judge(tflite::SignatureRunner& runner, const uint8_t* pixels) {{
  std::copy_n(pixels, {height} * {width} * {channels}, runner.input_tensor("image")->data.uint8);
  return runner.Invoke() == kTfLiteOk ? runner.output_tensor("label")->data.i32[0] : -1;
}}

int main() {{
  auto model = tflite::FlatBufferModel::VerifyAndBuildFromFile("detector.tflite");
  tflite::ops::builtin::BuiltinOpResolver resolver;
  std::unique_ptr<tflite::Interpreter> interpreter;
  if (!model || tflite::InterpreterBuilder(*model, resolver)(&interpreter) != kTfLiteOk) return 1;
  tflite::SignatureRunner* runner = interpreter->GetSignatureRunner("serving_default");
  if (!runner || runner->AllocateTensors() != kTfLiteOk) return 1;
  // From here on: Judge(*runner, pixels).
}}
```

## From Kotlin

Not compiled when this was written: no Android library was at hand.

```kotlin
import java.io.File
import java.nio.ByteBuffer
import org.tensorflow.lite.Interpreter

val interpreter = Interpreter(File("detector.tflite"))

fun judge(pixels: ByteArray): Int {{
    val image = ByteBuffer.allocateDirect({height} * {width} * {channels}).put(pixels)
    image.rewind()
    val label = IntArray(1)
    val outputs = mapOf("label" to label, {kotlin_outputs})
    interpreter.runSignature(mapOf("image" to image), outputs, "serving_default")
    return label[0]
}}
```
"""


def device_bundle(tflite: bytes, card: DetectorCard) -> bytes:
    """Packs a converted model for the device.

    Args:
        tflite: the file for the device, its card inside.
        card: that card.

    Returns:
        A zip archive with `detector.tflite`, `labels.txt`, `detect.pyz`, `requirements.txt`, `README.md` and their
        `SHA256SUMS`; the same for the same arguments.
    """
    files = {
        MODEL_NAME: tflite,
        LABELS_NAME: labels_text(card).encode(),
        RUNNER_NAME: b"#!/usr/bin/env python3\n" + _archive({"__main__.py": _MAIN.encode(), **_sources()}),
        "requirements.txt": REQUIREMENTS.encode(),
        "README.md": _readme(card).encode(),
    }
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    return _archive({**files, SUMS_NAME: sums.encode()})


def _readme(card: DetectorCard) -> str:
    height, width, channels = card.image_shape
    if card.threshold is None:
        title, columns = "A classifier for the device", "path, label, confidence"
        outputs = f"`label` int32 [1], `confidence` float32 [1] and `scores` float32 [1, {card.classes}]"
        kotlin = f'"confidence" to FloatArray(1), "scores" to arrayOf(FloatArray({card.classes}))'
    else:
        title = "A detector of backdoor triggers for the device"
        columns = "path, label or `backdoor`, the label that the suspect claims, suspicion"
        outputs = (
            f"`label` int32 [1] ({card.classes} means backdoor), `claimed` int32 [1], `suspicion` float32 [1] and"
            f" `scores` float32 [1, {card.classes + 1}]"
        )
        kotlin = (
            '"claimed" to IntArray(1), "suspicion" to FloatArray(1),\n'
            f'        "scores" to arrayOf(FloatArray({card.classes + 1}))'
        )
    return _README.format(
        title=title,
        columns=columns,
        outputs=outputs,
        kotlin_outputs=kotlin,
        height=height,
        width=width,
        channels=channels,
        mode="L" if channels == 1 else "RGB",
        order="" if channels == 1 else ", red first",
        precision=card.precision,
        suspect=f"\nThe suspect's file has the SHA-256 `{card.suspect_sha256}`." if card.suspect_sha256 else "",
    )


def _sources() -> dict[str, bytes]:
    """What the runner imports of this project, by path in the archive."""
    found: dict[str, bytes] = {}
    pending = ["__init__", _STARTED]
    while pending:
        name = pending.pop()
        path = f"{_PACKAGE}/{name.replace('.', '/')}.py"
        if path in found:
            continue
        folder, _, module = name.rpartition(".")
        package = f"{_PACKAGE}.{folder}" if folder else _PACKAGE
        found[path] = importlib.resources.files(package).joinpath(f"{module}.py").read_bytes()
        pending.extend(_own_imports(found[path]))
        if folder:
            pending.append(f"{folder}.__init__")
    return found


def _own_imports(source: bytes) -> list[str]:
    prefix = f"{_PACKAGE}."
    named = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            named.append(node.module)
        elif isinstance(node, ast.Import):
            named.extend(one.name for one in node.names)
    return [name.removeprefix(prefix) for name in named if name.startswith(prefix)]


def _archive(files: dict[str, bytes]) -> bytes:
    contents = io.BytesIO()
    with zipfile.ZipFile(contents, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, date_time=_NO_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return contents.getvalue()
