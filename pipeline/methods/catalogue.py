"""The methods of repair, by the names a researcher would compare."""

from goodnet.pipeline.methods.fine_pruning import fine_pruning
from goodnet.pipeline.methods.fine_tuning import fine_tuning
from goodnet.pipeline.methods.full import full
from goodnet.pipeline.methods.names import NAMES
from goodnet.pipeline.methods.repair_method import RepairMethod

METHODS: dict[str, RepairMethod] = dict(zip(NAMES, (full, fine_tuning, fine_pruning), strict=True))
