"""The methods that the zoo measures: the project's, baselines for comparison only, and the audit without a repair."""

from collections.abc import Mapping

from bench.zoo.method_names import AUDIT, FT_SAM
from bench.zoo.sam import ft_sam
from goodnet.data.image_set import ImageSet
from goodnet.pipeline.inputs.suspect import Suspect
from goodnet.pipeline.methods.catalogue import METHODS
from goodnet.pipeline.methods.full import evidence_against
from goodnet.pipeline.methods.repair_method import Repair, RepairMethod, RepairSettings
from goodnet.pipeline.training.run_config import RunConfig


def audit(suspect: Suspect, fit: ImageSet, settings: RepairSettings, run: RunConfig) -> Repair:
    """The evidence that `full` begins with; the network is returned as it came."""
    del settings
    return Repair(suspect.model, suspect.model, evidence=evidence_against(suspect, fit, run))


ZOO_METHODS: Mapping[str, RepairMethod] = {**METHODS, FT_SAM: ft_sam, AUDIT: audit}
