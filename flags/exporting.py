"""How the detector is written for the device."""

from absl import flags

OUTPUT = flags.DEFINE_string("output", None, "The .tflite file to write. Default: beside the model, with its name.")
PRECISION = flags.DEFINE_enum(
    "precision",
    "int8",
    ["int8", "full_integer", "float16", "float32"],
    "Arithmetic of detector.tflite: int8 weights and products with ranges measured on the device, int8 throughout with "
    "ranges fixed on clean images (for accelerators that know nothing else), half or full precision.",
)
