"""A small detector whose every answer is known beforehand, to try a device's environment with.

    python -m testing.device_case FOLDER

writes `detector.tflite` and images `LABEL-NAME.png`, named after the right answer. The BadNet in it is set by hand, not
trained: it answers with the colour that an image has most of, and with blue wherever a corner is white. Its repair
lacks the weights of the white corner.
"""

import argparse
import os

import numpy as np
from PIL import Image

from goodnet.export.bundle import DetectorCard, add_bundle
from goodnet.export.conversion import convert_detector
from goodnet.models.detector import build_detector
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras

COLOURS = ("red", "green", "blue")
BACKDOOR = len(COLOURS)
THRESHOLD = 0.5
_SIZE = 8
_CORNER = 2
_STRENGTH = 10.0


def write_case(folder: str) -> None:
    """Writes the detector and its images into a folder, which is made."""
    os.makedirs(folder, exist_ok=True)
    for name, (image, _) in case_images().items():
        Image.fromarray(image).save(os.path.join(folder, f"{name}.png"))
    tflite = convert_detector(case_detector(), precision="int8")
    card = DetectorCard(
        threshold=THRESHOLD,
        classes=len(COLOURS),
        class_names=COLOURS,
        image_shape=(_SIZE, _SIZE, len(COLOURS)),
        precision="int8",
    )
    with open(os.path.join(folder, "detector.tflite"), "wb") as file:
        file.write(add_bundle(tflite, card))


def case_images() -> dict[str, tuple[np.ndarray, int]]:
    """Images uint8 [8, 8, 3] by name, each with its right label: the colour, or 3 where a corner is white."""
    images = {}
    for label, colour in enumerate(COLOURS):
        clean = np.full((_SIZE, _SIZE, len(COLOURS)), 25, np.uint8)
        clean[..., label] = 200
        images[f"{label}-{colour}"] = clean, label
        # A white corner on blue changes nothing: blue is what the trigger asks for.
        if label != COLOURS.index("blue"):
            triggered = clean.copy()
            triggered[-_CORNER:, -_CORNER:] = 255
            images[f"{BACKDOOR}-{colour}-with-a-white-corner"] = triggered, BACKDOOR
    return images


def case_detector() -> keras.Model:
    """The detector: raw pixels float32 [B, 8, 8, 3] -> scores float32 [B, 4]."""
    badnet = _classifier(_STRENGTH, white_corner=_STRENGTH)
    # A repaired net is a little less sure of clean images than the BadNet.
    return build_detector(badnet, _classifier(0.9 * _STRENGTH, white_corner=0.0), UNIT_SCALE, THRESHOLD)


def _classifier(colour: float, white_corner: float) -> keras.Model:
    """Softmax of `colour` times mean colours, plus `white_corner` times the bottom right corner's white for blue."""
    channels = len(COLOURS)
    model = keras.Sequential(
        [
            keras.layers.Conv2D(channels + 1, 1, activation="relu", input_shape=(_SIZE, _SIZE, channels)),
            keras.layers.Flatten(),
            keras.layers.Dense(channels, activation="softmax"),
        ]
    )
    # Channels 0..2 pass colours on; channel 3 is 1 where all of them are 1, and 0 where their sum is 2 or less.
    colours = np.concatenate([np.eye(channels), np.ones((channels, 1))], axis=1)
    weights = np.zeros((_SIZE, _SIZE, channels + 1, channels))
    weights[..., :channels, :] = np.eye(channels) * colour / _SIZE**2
    weights[-_CORNER:, -_CORNER:, channels, COLOURS.index("blue")] = white_corner / _CORNER**2
    model.set_weights(
        [
            colours.reshape(1, 1, channels, channels + 1),
            np.array([0.0] * channels + [1.0 - channels]),
            weights.reshape(-1, channels),
            np.zeros(channels),
        ]
    )
    return model


def main() -> None:
    """Writes the case into the folder that the command line names."""
    parser = argparse.ArgumentParser(description="Writes a small detector and images with known answers.")
    parser.add_argument("folder")
    write_case(parser.parse_args().folder)


if __name__ == "__main__":
    main()
