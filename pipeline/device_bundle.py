"""One archive with all that a device needs beside Python: the detector, its names, a runner in one file, how to start.

The runner is `export.detect` with the modules that it imports, as a Python zip application (PEP 441).
"""

import ast
import importlib.resources
import io
import zipfile

from goodnet.export.bundle import LABELS_NAME, DetectorCard, labels_text

MODEL_NAME, RUNNER_NAME = "detector.tflite", "detect.pyz"
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

    pip install -r requirements.txt
    python detect.pyz --model=detector.tflite photo.png folder/
    python detect.pyz --help

Python 3.10 or later. One line an image, separated by tabs: {columns}.
Images are {height} x {width} pixels with {channels} channels; `--resize` takes others.

`labels.txt` has the name of each label, in their order. The arithmetic of `detector.tflite` is {precision}.

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

## From C++, Java and Kotlin

The signature `serving_default` takes `image`, uint8 [1, {height}, {width}, {channels}], raw pixels 0..255{order}.
It gives {outputs}.
No program in these languages was compiled when this was written.
"""


def device_bundle(tflite: bytes, card: DetectorCard) -> bytes:
    """Packs a converted model for the device.

    Args:
        tflite: the file for the device, its card inside.
        card: that card.

    Returns:
        A zip archive with `detector.tflite`, `labels.txt`, `detect.pyz`, `requirements.txt` and `README.md`; the same
        for the same arguments.
    """
    return _archive(
        {
            MODEL_NAME: tflite,
            LABELS_NAME: labels_text(card).encode(),
            RUNNER_NAME: b"#!/usr/bin/env python3\n" + _archive({"__main__.py": _MAIN.encode(), **_sources()}),
            "requirements.txt": REQUIREMENTS.encode(),
            "README.md": _readme(card).encode(),
        }
    )


def _readme(card: DetectorCard) -> str:
    height, width, channels = card.image_shape
    if card.threshold is None:
        title, columns = "A classifier for the device", "path, label, confidence"
        outputs = f"`label` int32 [1], `confidence` float32 [1] and `scores` float32 [1, {card.classes}]"
    else:
        title = "A detector of backdoor triggers for the device"
        columns = "path, label or `backdoor`, the label that the suspect claims, suspicion"
        outputs = (
            f"`label` int32 [1] ({card.classes} means backdoor), `claimed` int32 [1], `suspicion` float32 [1] and"
            f" `scores` float32 [1, {card.classes + 1}]"
        )
    return _README.format(
        title=title,
        columns=columns,
        outputs=outputs,
        height=height,
        width=width,
        channels=channels,
        mode="L" if channels == 1 else "RGB",
        order="" if channels == 1 else ", red first",
        precision=card.precision,
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
