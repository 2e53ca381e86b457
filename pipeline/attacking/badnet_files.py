"""The files of an attack: the BadNet, its weights, and the sets to measure it with."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from goodnet.data.hdf5 import write_hdf5
from goodnet.data.image_set import ImageSet
from goodnet.data.poisoning import Attack, poisoned_test_set
from goodnet.models.legacy_keras import keras
from goodnet.models.saving import save_network, save_weights
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.measuring.metrics import attack_success, clean_accuracy
from goodnet.pipeline.measuring.rates import Rate
from goodnet.pipeline.run.output_files import write_json, write_whole
from goodnet.pipeline.run.progress import log
from goodnet.pipeline.training.badnet import INPUT_SCALE

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class BadNetFiles:
    """What an attack leaves in its folder.

    Attributes:
        model: path of the whole model.
        weights: path of its weights.
        poisoned: path of the poisoned test set of each attack, by the attack's name.
        accuracy: on the clean test images.
        success: attack success rate of each attack, by name.
    """

    model: str
    weights: str
    poisoned: Mapping[str, str]
    accuracy: Rate
    success: Mapping[str, Rate]


def write_badnet(
    folder: str,
    name: str,
    model: keras.Model,
    attacks: Sequence[Attack],
    test: ImageSet,
    settings: Mapping[str, object],
) -> BadNetFiles:
    """Writes a BadNet with a poisoned test set for each of its triggers, and measures it.

    Args:
        folder: where to; it exists.
        name: X in `X_bd_net.h5`.
        model: the BadNet.
        attacks: its triggers with their targets.
        test: clean test images; the poisoned sets are made of them.
        settings: how it was trained, for `X_attack.json`.
    """
    model_path = os.path.join(folder, f"{name}_bd_net.h5")
    weights_path = os.path.join(folder, f"{name}_bd_weights.h5")
    write_whole(model_path, lambda path: save_network(model, path))
    write_whole(weights_path, lambda path: save_weights(model, path))
    network = ScaledNetwork(model, INPUT_SCALE)
    accuracy = clean_accuracy(test.labels, network.labels(test))
    log.info("%s: clean accuracy %s", model_path, accuracy)
    poisoned, success = {}, {}
    for attack in attacks:
        path = os.path.join(folder, f"{name}_poisoned_{file_name(attack.name)}.h5")
        images = poisoned_test_set(test, attack)
        write_hdf5(path, images)
        poisoned[attack.name] = path
        success[attack.name] = attack_success(images.labels, images.true_labels, network.labels(images))
        log.info("%s: attack success %s", path, success[attack.name])
    write_json(
        os.path.join(folder, f"{name}_attack.json"),
        {
            "schema_version": SCHEMA_VERSION,
            "settings": dict(settings),
            "clean_accuracy": accuracy.as_json(),
            "attack_success": {name: rate.as_json() for name, rate in success.items()},
        },
    )
    return BadNetFiles(model_path, weights_path, poisoned, accuracy, success)


def file_name(text: str) -> str:
    """A name for a file: letters, digits and hyphens."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()
