"""What every method of repair takes and gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from goodnet.data.batch_sizes import training_batch
from goodnet.data.image_set import ImageSet
from goodnet.flags.settings import setting
from goodnet.models.channels.removal import RemovalReport
from goodnet.models.input_scale import InputScale
from goodnet.models.legacy_keras import keras
from goodnet.pipeline.inputs.suspect import Suspect
from goodnet.pipeline.inversion.evidence import Evidence
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.pruning.curve import PruningCurve
from goodnet.pipeline.pruning.profile import ActivationProfile
from goodnet.pipeline.pruning.schedule import SparsityStep
from goodnet.pipeline.training.augmentation import Augmentation
from goodnet.pipeline.training.batches import Batches
from goodnet.pipeline.training.loop import Epoch
from goodnet.pipeline.training.run_config import RunConfig


@dataclass(frozen=True)
class RepairSettings:
    """The user's settings of a repair. A field that is a `setting` describes itself.

    Attributes:
        batch_size: images in a batch; None for 64, and fewer that are larger than 128 x 128 pixels.
        max_shift: pixels of random shift, in training.
    """

    max_accuracy_loss: float | None = setting(
        None,
        "The clean accuracy that pruning alone may cost before tuning wins it back, as a share (Fine-Pruning's rule). "
        "The channels pruned are as many as that allows. Default: 0.04 in fine-pruning, as its authors have it; 0 in "
        "full, where pruning is not the cure.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    pruned_layers: tuple[str, ...] | None = setting(
        None, "Names of the convolutions to prune. Default: each that reaches the output without passing another."
    )
    pruning_epochs: int = setting(
        4, "Epochs of tuning while tfmot closes the channels; the schedule ends halfway.", lower_bound=1
    )
    fine_tuning_epochs: int | None = setting(
        None,
        "Epochs of tuning after the channels are removed. Default: 6 in fine-pruning and fine-tuning; in full, where "
        "they are the last part of unlearning, 500 steps.",
        lower_bound=0,
    )
    learning_rate: float = setting(5e-4, "Adam's learning rate in the repair.", lower_bound=0.0)
    batch_size: int | None = None
    max_shift: int = 2
    max_zoom: float = setting(
        0.1,
        "Share of their height and width that images are stretched by, at random, in a repair's training.",
        lower_bound=0.0,
        upper_bound=0.9,
    )
    max_light: float = setting(
        0.2,
        "Share of their value that pixels are brightened or darkened by, at random, in a repair's training.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    tune_all_layers: bool = setting(
        False,
        "Also tune what is upstream of the first pruned layer. Default: frozen; in full, tuned only where unlearning "
        "does not succeed without it.",
    )
    tune_batch_norm: bool = setting(
        False, "Let batch norms learn from the clean images (default: they stay in inference mode)."
    )
    without_evidence: bool = setting(
        False,
        "Repair a model without evidence of a backdoor, too: --method=full unlearns what leads to its most suspicious "
        "labels, instead of leaving it as it is.",
    )

    def batches(self, clean: ImageSet, input_scale: InputScale, seed: int) -> Batches:
        """How clean images are fed in training."""
        augmentation = Augmentation(self.max_shift, self.max_zoom, self.max_light)
        batch_size = self.batch_size or training_batch(clean.image_shape)
        return Batches(clean, input_scale, batch_size, seed, augmentation)


@dataclass(frozen=True)
class PruningEvidence:
    """What pruning measured and removed.

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


# suspect, fit images (the only data a method sees), settings, where and how the run computes
RepairMethod = Callable[[Suspect, ImageSet, RepairSettings, RunConfig], Repair]
