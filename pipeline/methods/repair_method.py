"""What every method of repair takes and gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from goodnet.data.image_set import ImageSet
from goodnet.models.channels.removal import RemovalReport
from goodnet.models.input_scale import InputScale
from goodnet.models.legacy_keras import keras
from goodnet.pipeline.inversion.evidence import Evidence
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.pruning.curve import PruningCurve
from goodnet.pipeline.pruning.profile import ActivationProfile
from goodnet.pipeline.pruning.schedule import SparsityStep
from goodnet.pipeline.suspect import Suspect
from goodnet.pipeline.training.augmentation import Augmentation
from goodnet.pipeline.training.batches import Batches
from goodnet.pipeline.training.devices import Devices
from goodnet.pipeline.training.loop import Epoch


@dataclass(frozen=True)
class RepairSettings:
    """What the user can set of a repair; the defaults are those of the flags.

    Attributes:
        max_accuracy_loss: clean accuracy that pruning alone may cost, 0..1; None for the method's own.
        pruned_layers: names of convolutions; None for each that reaches the output without passing another.
        pruning_epochs: epochs while the gates close.
        fine_tuning_epochs: epochs after the channels are removed; None for the method's own number.
        learning_rate: Adam's.
        batch_size: images in a batch.
        max_shift: pixels of random shift, in training.
        max_zoom: share of random stretching, in training.
        max_light: share of random brightening, in training.
        tune_all_layers: also tune what is upstream of the first pruned layer.
        tune_batch_norm: let batch norms learn.
        without_evidence: repair a network that nothing speaks against, too.
        seed: of order and augmentation.
    """

    max_accuracy_loss: float | None = None
    pruned_layers: tuple[str, ...] | None = None
    pruning_epochs: int = 4
    fine_tuning_epochs: int | None = None
    learning_rate: float = 5e-4
    batch_size: int = 64
    max_shift: int = 2
    max_zoom: float = 0.1
    max_light: float = 0.2
    tune_all_layers: bool = False
    tune_batch_norm: bool = False
    without_evidence: bool = False
    seed: int = 0

    def batches(self, clean: ImageSet, input_scale: InputScale) -> Batches:
        """How clean images are fed in training."""
        augmentation = Augmentation(self.max_shift, self.max_zoom, self.max_light)
        return Batches(clean, input_scale, self.batch_size, self.seed, augmentation)


@dataclass(frozen=True)
class PruningEvidence:
    """What pruning learned and did.

    Attributes:
        profile: mean clean activations.
        curve: clean accuracy against channels closed.
        closed: bool [C] by gate site.
        trace: the schedule, asked and reached; empty where nothing could be closed.
        removal: channels before and after, by layer.
    """

    profile: ActivationProfile
    curve: PruningCurve
    closed: Mapping[str, np.ndarray]
    trace: tuple[SparsityStep, ...]
    removal: RemovalReport | None


@dataclass(frozen=True)
class Repair:
    """A repaired classifier.

    Attributes:
        pruned: after pruning, before any further cure.
        repaired: the result, N outputs, pixels on the suspect's scale.
        pruning: how it was pruned; None for a method that prunes nothing.
        triggers: inverted and unlearned, in the order in which they were found.
        history: the epochs of each training, by its name.
        evidence: of a backdoor; None for a method that looks for none.
    """

    pruned: keras.Model
    repaired: keras.Model
    pruning: PruningEvidence | None = None
    triggers: tuple[InvertedTrigger, ...] = ()
    history: Mapping[str, tuple[Epoch, ...]] = field(default_factory=dict)
    evidence: Evidence | None = None

    @property
    def unchanged(self) -> bool:
        """Whether the suspect was left as it is."""
        return self.evidence is not None and not self.history


# suspect, fit images (the only data a method sees), settings, devices, folder for checkpoints
RepairMethod = Callable[[Suspect, ImageSet, RepairSettings, Devices, str], Repair]
