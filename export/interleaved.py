"""Times files against each other in a process of its own, by turns, so that whatever slows the machine slows them all.

`python -m export.interleaved PIXELS TIMES RUNTIME MODEL...` writes a JSON list of milliseconds an image, in the order
of the models. It is the processor time of one thread, in the quickest run of many: other work on the machine takes
caches away, and on a busy one the median run took six times the quickest.
"""

import json
import sys
import time
from collections.abc import Sequence

import numpy as np

from goodnet.export.runtime import TfliteFile

# In a turn, a file runs once to have its weights in the caches again, and then so often.
_RUNS = 3
# As many turns as fit into so many seconds for each file, within bounds.
_SECONDS = 2.0
_FEWEST_TURNS, _MOST_TURNS = 10, 100


def milliseconds(files: Sequence[TfliteFile], images: np.ndarray) -> list[float]:
    """Milliseconds of processor time that an image takes in the quickest run, for each file.

    Args:
        files: opened with one thread.
        images: uint8 [n, H, W, C], n >= 1; runs take them in turn.
    """
    quickest = [_quickest(file, images, 0) for file in files]
    turns = round(_SECONDS * len(files) / (sum(quickest) * (_RUNS + 1) + 1e-9))
    for turn in range(1, min(max(turns, _FEWEST_TURNS), _MOST_TURNS)):
        for number, file in enumerate(files):
            quickest[number] = min(quickest[number], _quickest(file, images, turn))
    return [1000 * seconds for seconds in quickest]


def _quickest(file: TfliteFile, images: np.ndarray, turn: int) -> float:
    """Seconds of the quickest run of a turn."""
    seconds = []
    for number in range(_RUNS + 1):
        image = images[(turn * _RUNS + number) % len(images)]
        begin = time.process_time()
        file.run(image)
        seconds.append(time.process_time() - begin)
    return min(seconds[1:])


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
