"""What a network is taught while it unlearns: to answer as the suspect does where there is no trigger.

A good teacher is patient and consistent (Beyer et al., "Knowledge distillation: A good teacher is patient and
consistent", CVPR 2022): the suspect answers the very images that the network sees, shifted, relit and mixed with each
other (mixup: Zhang et al., ICLR 2018). So a few clean images say far more than their labels do, and training may be
long. A stamped image gets the answer to the same image without the stamp: what the suspect says to a trigger never
counts.
"""

from dataclasses import dataclass, replace

import numpy as np

from goodnet.data.image_set import ImageSet
from goodnet.models.scaled_network import Probabilities
from goodnet.pipeline.training.augmentation import NO_AUGMENTATION, Augmentation
from goodnet.pipeline.unlearning.stamping import StampSome

# Of the other image in a mixed one.
_MOST_MIXED = 0.5
# A teacher that loses more than this of its accuracy on shifted images would teach its errors: one that was trained
# without shifts loses 0.10 to 0.16 (networks of WaNet and SIG), others 0.01 to 0.05.
_MOST_LOST = 0.08
_BATCH = 256
# Of the true label in the target of a stamped image; the suspect's answer is the rest.
_LABEL_SHARE = 0.5


@dataclass(frozen=True)
class Distillation:
    """Soft targets from the suspect (a `BatchTransform`): a share of the images is stamped, the others are mixed.

    The suspect takes some shifted and mixed images for ones that carry a trigger, a warp's above all, and its answer to
    them would teach the backdoor. So the answer of a target counts only where an image of the target is shown.

    Attributes:
        teacher: what it answers.
        classes: N.
        stamping: which images carry which trigger; the labels of its triggers are the targets.
    """

    teacher: Probabilities
    classes: int
    stamping: StampSome

    def __call__(
        self, images: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Turns uint8 [b, H, W, C] with int64 [b] labels into uint8 [b, H, W, C] with float32 [b, N] targets."""
        stamped, carries = self.stamping(images, labels, rng)
        mixtures, others = mixed(images, rng)
        shown = np.where(carries[:, None, None, None], images, mixtures)
        # A stamped image is not mixed, and shows nothing of its other.
        other_labels = np.where(carries, labels, labels[others])
        targets = self._without_targets(np.array(self.teacher(shown), np.float32), labels, other_labels)
        targets[carries] *= 1 - _LABEL_SHARE
        targets[carries, labels[carries]] += _LABEL_SHARE
        return np.where(carries[:, None, None, None], stamped, shown), targets

    def _without_targets(self, answers: np.ndarray, labels: np.ndarray, other_labels: np.ndarray) -> np.ndarray:
        rows = np.arange(len(answers))
        kept = np.ones_like(answers)
        kept[:, sorted({trigger.label for trigger in self.stamping.triggers})] = 0
        kept[rows, labels] = kept[rows, other_labels] = 1
        answers = answers * kept + np.float32(1e-12)
        return answers / answers.sum(axis=1, keepdims=True)


def with_tolerated_shift(
    augmentation: Augmentation, teacher: Probabilities, clean: ImageSet, seed: int
) -> Augmentation:
    """An augmentation whose shift is cut, pixel by pixel, until the teacher is right often enough on shifted images.

    Args:
        augmentation: what is wanted; stretching and light are left as they are.
        teacher: what it answers.
        clean: clean images with their true labels.
        seed: of the shifts that are tried.
    """
    plain = _accuracy(teacher, clean, NO_AUGMENTATION, seed)
    for max_shift in range(augmentation.max_shift, 0, -1):
        if _accuracy(teacher, clean, Augmentation(max_shift), seed) >= plain - _MOST_LOST:
            return replace(augmentation, max_shift=max_shift)
    return replace(augmentation, max_shift=0)


def _accuracy(teacher: Probabilities, clean: ImageSet, augmentation: Augmentation, seed: int) -> float:
    rng = np.random.default_rng(seed)
    right = sum(
        int((teacher(augmentation(images, rng)).argmax(axis=1) == labels).sum())
        for images, labels in clean.batches(_BATCH)
    )
    return right / len(clean)


def mixed(images: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Every image with another of the batch shining through, up to half of it.

    Args:
        images: uint8 [b, H, W, C].
        rng: the source of the pairs and of the shares.

    Returns:
        The same shape and dtype, and the place of each image's other, int64 [b].
    """
    share = rng.uniform(0, _MOST_MIXED, (len(images), 1, 1, 1)).astype(np.float32)
    others = rng.permutation(len(images))
    return np.rint((1 - share) * images + share * images[others]).astype(np.uint8), others
