"""Training what was drawn, and keeping it."""

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Mapping

import numpy as np

from bench.datasets import FACES, GTSRB, PHOTOGRAPHS
from bench.locks import held
from bench.zoo.datasets import Sets
from bench.zoo.draw import DEEPID, MOBILENET, RESNET, VGG, Draw
from bench.zoo.networks import build_network
from goodnet.data.image_set import ImageSet, ImageSource
from goodnet.data.poisoning import Attack, poison_training_set, poisoned_test_set
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.models.saving import save_network
from goodnet.pipeline.run.output_files import make_folder, write_bytes, write_whole
from goodnet.pipeline.training.augmentation import shift
from goodnet.pipeline.training.batches import Batches
from goodnet.pipeline.training.loop import compile_classifier, train

# The recipe: one for all draws of a dataset and network. Seeds of development only were looked at.
_EPOCHS: Mapping[str, Mapping[str, int]] = {
    GTSRB: {DEEPID: 20, VGG: 12, RESNET: 10, MOBILENET: 18},
    PHOTOGRAPHS: {DEEPID: 20, VGG: 16, RESNET: 10, MOBILENET: 14},
    FACES: {DEEPID: 24, VGG: 20, RESNET: 20, MOBILENET: 24},
}
_LEARNING_RATES: Mapping[str, float] = {DEEPID: 2e-3, VGG: 2e-3, RESNET: 2e-3, MOBILENET: 4e-3}
_BATCH_SIZE = 64

_FINGERPRINT_IMAGES = 8
# Networks are kept under the names that their triggers had when they were trained.
_NAMED_NOW, _NAMED_THEN = '"blended"', '"blend"'


class AugmentedSource:
    """Training images that look a little different whenever they are read, before any trigger is stamped on them."""

    def __init__(self, source: ImageSource, max_shift: int, mirrored: bool, seed: int):
        """Images of `source`, shifted by up to `max_shift` pixels and, if `mirrored`, every other one mirrored."""
        self._source, self._max_shift, self._mirrored = source, max_shift, mirrored
        self._rng = np.random.default_rng([6, seed])

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, H, W, C."""
        return self._source.shape

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Images at `indices`: uint8 [n, H, W, C]."""
        images = shift(self._source.read(indices), self._max_shift, self._rng)
        if self._mirrored:
            chosen = self._rng.random(len(images)) < 0.5
            images[chosen] = images[chosen, :, ::-1]
        return images


def attacks_of(draw: Draw) -> tuple[Attack, ...]:
    """The attacks of a draw, as `data.poisoning` takes them."""
    return tuple(Attack(one.trigger, one.target) for one in draw.attacks)


def poisoned_tests(draw: Draw, test: ImageSet) -> tuple[ImageSet, ...]:
    """For each attack all test images of other classes than its target, stamped and held in memory."""
    return tuple(poisoned_test_set(test, attack).in_memory() for attack in attacks_of(draw))


def make_badnet(draw: Draw, sets: Sets, cache_dir: str) -> str:
    """Trains the network of a draw, or finds it in the cache.

    Args:
        draw: what to train.
        sets: its data.
        cache_dir: where networks are kept.

    Returns:
        The file of the network. Beside it, draw.json says what it is.
    """
    folder = os.path.join(cache_dir, "badnets", f"seed{draw.seed}-{_fingerprint(draw, sets)}")
    path = os.path.join(folder, "badnet.h5")
    make_folder(folder, "cache_dir")
    with held(folder + ".lock"):
        if not os.path.exists(path):
            model = train_draw(draw, sets.train)
            write_bytes(os.path.join(folder, "draw.json"), (json.dumps(draw.description, indent=1) + "\n").encode())
            write_whole(path, functools.partial(save_network, model))
    return path


def train_draw(draw: Draw, clean: ImageSet) -> keras.Model:
    """Trains the network of a draw.

    Args:
        draw: what to train.
        clean: the training images of its dataset, held in memory.

    Returns:
        A network that expects pixels in 0..1.
    """
    keras.utils.set_random_seed(draw.seed)
    training = clean
    if draw.dataset != FACES:  # faces are aligned, and their landmarks with them
        source = AugmentedSource(clean.source, draw.max_shift, draw.dataset == PHOTOGRAPHS, draw.seed)
        training = dataclasses.replace(clean, source=source)
    if draw.attacks:
        training = poison_training_set(training, attacks_of(draw), draw.poison_share, draw.seed)
    model = build_network(draw.network, draw.wide, int(clean.labels.max()) + 1, clean.image_shape)
    batches = Batches(training, UNIT_SCALE, _BATCH_SIZE, draw.seed)
    epochs = epochs_of(draw)
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATES[draw.network], epochs * batches.steps_per_epoch)
    compile_classifier(model, keras.optimizers.Adam(rate), logits=False)
    train(model, batches, epochs, title=f"seed {draw.seed}")
    return model


def epochs_of(draw: Draw) -> int:
    """How many epochs the network of a draw is trained for."""
    return max(1, round(draw.length * _EPOCHS[draw.dataset][draw.network]))


def _fingerprint(draw: Draw, sets: Sets) -> str:
    """A digest of all that a network follows from: what was drawn, how triggers look, the graph, the recipe."""
    described = json.dumps(draw.description, sort_keys=True).replace(_NAMED_NOW, _NAMED_THEN)
    digest = hashlib.sha256(described.encode())
    model = build_network(draw.network, draw.wide, int(sets.train.labels.max()) + 1, sets.train.image_shape)
    weights = [(tuple(weight.shape), weight.name) for weight in model.weights]
    recipe = (len(sets.train), epochs_of(draw), _LEARNING_RATES[draw.network], _BATCH_SIZE)
    digest.update(repr((weights, recipe)).encode())
    few = sets.train.subset(np.arange(min(_FINGERPRINT_IMAGES, len(sets.train))))
    digest.update(few.images().tobytes())
    for attack in attacks_of(draw):
        digest.update(attack.trigger.stamp(few.images(), few.landmarks).tobytes())
    return digest.hexdigest()[:12]
