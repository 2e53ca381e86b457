"""How a suspect is repaired."""

from absl import flags

METHOD = flags.DEFINE_string(
    "method",
    "fine-pruning",
    "fine-pruning (prune what is dormant on clean data by tfmot, tune) or fine-tuning (the baseline: tune only).",
)
