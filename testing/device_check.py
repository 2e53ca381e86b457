"""Whether the detector runs with what a device has: NumPy, Pillow and a TFLite runtime, and no TensorFlow.

    python -m testing.device_check FOLDER

takes a folder of `testing.device_case`, runs `export.detect` on its images as a person would, compares the runtime's
answers with the names of the images, and exits with status 1 if one is wrong.
"""

import argparse
import importlib.util
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from goodnet.export.answers import Detector

_ABSENT_ON_A_DEVICE = ("tensorflow", "tf_keras", "h5py", "absl")


def check(folder: Path) -> str:
    """Runs every image of a case.

    Returns:
        One line: how many images there were, and what ran the detector.

    Raises:
        SystemExit: an answer was wrong, or there was no image.
    """
    detector = Detector(str(folder / "detector.tflite"))
    images = sorted(folder.glob("*.png"))
    for path in images:
        expected = int(path.name.split("-")[0])
        found = detector.detect(np.asarray(Image.open(path)))
        if found.label != expected:
            raise SystemExit(f"{path}: {found}; expected label {expected}")
    if not images:
        raise SystemExit(f"{folder}: no images; expected a folder that testing.device_case wrote")
    command = [
        sys.executable,
        "-m",
        "goodnet.export.detect",
        f"--model={folder / 'detector.tflite'}",
        *map(str, images),
    ]
    subprocess.run(command, check=True)
    return f"{len(images)} answers right with {detector.file.runtime} on Python {platform.python_version()}"


def main() -> None:
    """Checks the environment, then the answers."""
    parser = argparse.ArgumentParser(description="Runs a small detector with what a device has.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--beside_tensorflow", action="store_true", help="do not insist on a device's environment")
    options = parser.parse_args()
    present = [name for name in _ABSENT_ON_A_DEVICE if importlib.util.find_spec(name)]
    if present and not options.beside_tensorflow:
        raise SystemExit(f"{', '.join(present)} can be imported here; expected the environment of a device")
    print(check(options.folder))


if __name__ == "__main__":
    main()
