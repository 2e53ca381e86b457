"""How the detector is written for the device."""

from goodnet.export.precisions import PRECISIONS
from goodnet.flags.parsers import define

PRECISION = define(
    "precision",
    PRECISIONS[0],
    "Arithmetic of detector.tflite: int8 weights and products with ranges measured on the device, int8 throughout with "
    "ranges fixed on clean and on stamped images (for accelerators that know nothing else), half or full precision. "
    "`fastest` times int8, full_integer and float16 on this machine and writes the fastest of those that answer as the "
    "Keras model; a device of another kind may rank them otherwise. Unless this is given, half or full precision is "
    "written where int8 does not answer as the Keras model.",
)
MIN_PARITY = define(
    "min_parity",
    0.99,
    "The least share, in 0..1, of clean images, of stamped ones, and of those of them flagged, on which "
    "detector.tflite must answer as the Keras model. Rounding alone changes the answer to 1 in 200 images or fewer; "
    "more is a fault of the conversion. Below the share, by its exact 95 % interval, nothing is written.",
)
