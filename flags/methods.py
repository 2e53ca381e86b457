"""How a suspect is repaired."""

from absl import flags

METHOD = flags.DEFINE_string(
    "method",
    "full",
    "full (look for evidence of a backdoor; where there is some, prune by tfmot what is dormant on clean data and "
    "unlearn the inverted triggers; else leave the model as it is), fine-pruning (prune, tune) or fine-tuning (the "
    "baseline: tune only).",
)
WITHOUT_EVIDENCE = flags.DEFINE_bool(
    "without_evidence",
    False,
    "Repair a model without evidence of a backdoor, too: --method=full unlearns what leads to its most suspicious "
    "labels, instead of leaving it as it is.",
)
