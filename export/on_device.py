"""The device's half of the parity check: answers of a TFLite file to a file of raw pixels, in a process of its own.

`python -m export.on_device MODEL PIXELS ANSWERS RUNTIME CARD`; `RUNTIME` is one of `export.runtime.RUNTIMES`, or empty
for the first that is installed; `CARD` is empty if the file may lack its card. The process is needed because
tflite_runtime can't be loaded into one that has TensorFlow.
"""

import sys
import time

import numpy as np

from goodnet.export.runtime import TfliteFile


def answer_all(model: str, pixels: str, answers: str, runtime: str | None, allow_missing_card: bool) -> None:
    """Runs every image through a file.

    Args:
        model: path of the .tflite file.
        pixels: path of images uint8 [n, H, W, C], one after the other without a header.
        answers: path of the .npz to write: an array [n] for each output, `seconds`, and `runtime`.
        runtime: one of `export.runtime.RUNTIMES`; None for the first that is installed.
        allow_missing_card: as for `TfliteFile`.
    """
    file = TfliteFile(model, runtime=runtime, allow_missing_card=allow_missing_card)
    images = np.memmap(pixels, np.uint8, mode="r").reshape(-1, *file.image_shape)
    file.run(images[0])
    start = time.perf_counter()
    found = [file.run(image) for image in images]
    seconds = time.perf_counter() - start
    columns = {name: np.concatenate([answer[name] for answer in found]) for name in file.outputs}
    np.savez(answers, seconds=seconds, runtime=file.runtime, **columns)


if __name__ == "__main__":
    try:
        answer_all(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4] or None, not sys.argv[5])
    except (ImportError, OSError, ValueError) as refusal:
        sys.exit(str(refusal))
