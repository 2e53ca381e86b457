"""What the detector may cost."""

from absl import flags

from flags.finite import define_float

MAX_FALSE_POSITIVE_RATE = define_float(
    "max_false_positive_rate",
    0.01,
    "The share of clean inputs that may be called backdoored. The threshold is set on clean images the repair did not "
    "train on; n of them cannot promise less than 1 / (n + 1).",
    lower_bound=0.0,
    upper_bound=1.0,
)
NOVELTY = flags.DEFINE_bool(
    "novelty",
    True,
    "Flag images whose local statistics are unlike those of the clean images, too: waves, tints and filters over the "
    "whole image, which no contradiction of two networks may show. Turn it off where the device's camera differs from "
    "the one that took the clean images.",
)
STRIP = flags.DEFINE_bool(
    "strip",
    False,
    "Measure STRIP too, a second opinion that looks at the suspect alone (Gao et al., 2019). It is reported beside the "
    "detector and not a part of it; it takes 20 answers of the suspect for each image.",
)
