"""The methods of repair, by the names a researcher would compare."""

from goodnet.pipeline.methods.fine_pruning import fine_pruning
from goodnet.pipeline.methods.fine_tuning import fine_tuning
from goodnet.pipeline.methods.full import full
from goodnet.pipeline.methods.names import FINE_PRUNING, FINE_TUNING, FULL
from goodnet.pipeline.methods.repair_method import RepairMethod

METHODS: dict[str, RepairMethod] = {FULL: full, FINE_TUNING: fine_tuning, FINE_PRUNING: fine_pruning}
