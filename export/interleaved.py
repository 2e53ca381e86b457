"""Times files against each other in a process of its own, by turns, so that whatever slows the machine slows them all.

`python -m export.interleaved PIXELS TIMES RUNTIME MODEL...` writes a JSON list of milliseconds an image, in the order
of the models. What is measured is the processor time of one thread: other work on the machine does not count.
"""

import json
import statistics
import sys
import time
from collections.abc import Sequence

import numpy as np

from goodnet.export.runtime import TfliteFile

# Blocks this long are far above the clock's resolution.
_BLOCK_SECONDS = 0.02
_BLOCKS = 21
_TRIALS = 5


def milliseconds(files: Sequence[TfliteFile], images: np.ndarray) -> list[float]:
    """Milliseconds of processor time that an image takes, the median of blocks, for each file.

    Args:
        files: opened with one thread.
        images: uint8 [n, H, W, C], n >= 1; each block goes on with the next.
    """
    sizes = []
    for file in files:
        quickest = min(_seconds(file, images, number, 1) for number in range(_TRIALS))
        sizes.append(max(1, round(_BLOCK_SECONDS / max(quickest, 1e-6))))
    blocks: list[list[float]] = [[] for _ in files]
    for turn in range(_BLOCKS):
        for file, size, found in zip(files, sizes, blocks, strict=True):
            file.run(images[turn % len(images)])  # what another file has taken from the caches comes back
            found.append(1000 * _seconds(file, images, turn * size, size))
    return [statistics.median(found) for found in blocks]


def _seconds(file: TfliteFile, images: np.ndarray, start: int, count: int) -> float:
    """Of one image, the mean over `count`."""
    begin = time.process_time()
    for number in range(start, start + count):
        file.run(images[number % len(images)])
    return (time.process_time() - begin) / count


def main(pixels: str, times: str, runtime: str | None, models: Sequence[str]) -> None:
    """Times models on images.

    Args:
        pixels: path of images uint8 [n, H, W, C], one after the other without a header.
        times: path of the JSON to write.
        runtime: one of `export.runtime.RUNTIMES`; None for the first that is installed.
        models: paths of .tflite files that take the same images; they may lack their cards.
    """
    files = [TfliteFile(model, runtime=runtime, allow_missing_card=True) for model in models]
    images = np.memmap(pixels, np.uint8, mode="r").reshape(-1, *files[0].image_shape)
    with open(times, "w", encoding="utf-8") as written:
        json.dump(milliseconds(files, images), written)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], sys.argv[3] or None, sys.argv[4:])
    except (ImportError, OSError, ValueError) as refusal:
        sys.exit(str(refusal))
