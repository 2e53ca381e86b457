"""The methods that the zoo measures: the project's, and baselines that are here for comparison only."""

from collections.abc import Mapping

from bench.zoo.method_names import FT_SAM
from bench.zoo.sam import ft_sam
from goodnet.pipeline.methods.catalogue import METHODS
from goodnet.pipeline.methods.repair_method import RepairMethod

ZOO_METHODS: Mapping[str, RepairMethod] = {**METHODS, FT_SAM: ft_sam}
