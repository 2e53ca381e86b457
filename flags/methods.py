"""How a suspect is repaired."""

from absl import flags

METHOD = flags.DEFINE_string(
    "method",
    "full",
    "full (invert triggers, prune by tfmot what is dormant on clean data, unlearn the triggers), fine-pruning (prune, "
    "tune) or fine-tuning (the baseline: tune only).",
)
