"""The methods of repair, by the names a researcher would compare. Adding one is a file here and a line below."""

from goodnet.pipeline.methods.fine_pruning import fine_pruning
from goodnet.pipeline.methods.fine_tuning import fine_tuning
from goodnet.pipeline.methods.full import full
from goodnet.pipeline.methods.repair_method import RepairMethod

METHODS: dict[str, RepairMethod] = {
    "fine-tuning": fine_tuning,
    "fine-pruning": fine_pruning,
    "full": full,
}
