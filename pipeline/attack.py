r"""Trains a BadNet on any set of images with any triggers, for experiments with defenses.

    python -m pipeline.attack --out_dir=out/attack
    python -m pipeline.attack --dataset=train.h5 --test_data=test.h5 --network=vgg \
        --trigger=patch@7:size=4 --out_dir=out/attack

Writes X_bd_net.h5 (the whole model, pixels in 0..1), X_bd_weights.h5, a poisoned test set for each trigger in the
layout of CSAW-HackML-2020 (with the true labels besides), and X_attack.json with clean accuracy and attack success.
"""

import goodnet.pipeline.run.early_interruption  # noqa: F401

# isort: split
import glob
import os
from collections.abc import Sequence
from dataclasses import asdict, replace

from absl import flags

from goodnet.data.batch_sizes import training_batch
from goodnet.data.errors import InputError
from goodnet.data.faces.face_sets import face_sets
from goodnet.data.hdf5 import write_hdf5
from goodnet.data.image_set import ImageSet
from goodnet.data.opening import open_image_set
from goodnet.data.poisoning import Attack
from goodnet.data.triggers.catalogue import parse_attack
from goodnet.data.use import Use
from goodnet.flags import attacking, inputs, running
from goodnet.models.classifier import ClassifierFacts, check_fits
from goodnet.models.legacy_keras import keras
from goodnet.pipeline.attacking.badnet_files import file_name, write_badnet
from goodnet.pipeline.attacking.pruning_aware import train_pruning_aware_badnet
from goodnet.pipeline.inputs.case import as_taken
from goodnet.pipeline.run import command
from goodnet.pipeline.run.output_files import make_folder, only_run_in
from goodnet.pipeline.training.augmentation import check_shift
from goodnet.pipeline.training.badnet import BadNetSettings, train_badnet
from goodnet.pipeline.training.devices import select_devices
from goodnet.pipeline.training.run_config import RunConfig

flags.adopt_module_key_flags(attacking)
for _flag in (
    inputs.IDENTITIES,
    inputs.IMAGES_PER_IDENTITY,
    inputs.TEST_DATA,
    inputs.SKIP_BROKEN_IMAGES,
    inputs.RESIZE,
    inputs.EXIF_ORIENTATION,
    inputs.CROP_TO_ROI,
    running.OUT_DIR,
    running.SEED,
    running.DEVICE,
    running.BATCH_SIZE,
    running.MAX_SHIFT,
):
    flags.declare_key_flag(_flag.name)


def main(argv: Sequence[str]) -> None:
    """Trains, writes and measures one BadNet."""
    command.check_arguments(argv, most=0)
    attacks = [parse_attack(text) for text in attacking.TRIGGER.value if text]
    out_dir = running.OUT_DIR.value or os.path.join("out", "attack")
    name = attacking.NAME.value or "-".join(file_name(attack.trigger.name) for attack in attacks) or "clean"
    if os.path.basename(name) != name:
        raise InputError(f"--name={name}: holds a path; expected the beginning of a file's name")
    make_folder(out_dir)
    with only_run_in(out_dir, replaced=(f"{glob.escape(name)}_*", "clean_validation.h5", "clean_test.h5")):
        training, test = _image_sets(out_dir)
        check_shift(running.MAX_SHIFT.value, training.image_shape)
        check_fits(ClassifierFacts(training.image_shape, int(training.labels.max()) + 1, logits=False), test)
        settings = BadNetSettings(
            network=attacking.NETWORK.value,
            poison_share=attacking.POISON_SHARE.value,
            epochs=attacking.EPOCHS.value,
            learning_rate=_learning_rate(training),
            batch_size=running.BATCH_SIZE.value or training_batch(training.image_shape),
            max_shift=running.MAX_SHIFT.value,
        )
        model, decoys = _train(training, attacks, settings)
        described = {**asdict(settings), "seed": running.SEED.value, "triggers": attacking.TRIGGER.value, **decoys}
        write_badnet(out_dir, name, model, attacks, test, described)


def _train(
    training: ImageSet, attacks: Sequence[Attack], settings: BadNetSettings
) -> tuple[keras.Model, dict[str, object]]:
    """The BadNet, and what `X_attack.json` says of its decoys, if it has any."""
    run = RunConfig(select_devices(running.DEVICE.value).strategy, running.SEED.value)
    share = attacking.PRUNING_AWARE.value
    if not share:
        return train_badnet(training, attacks, settings, run)[0], {}
    made = train_pruning_aware_badnet(training, attacks, settings, share, run)
    return made.model, {"pruning_aware": share, "decoys": made.counts}


def _learning_rate(training: ImageSet) -> float:
    """Many classes need a smaller rate: DeepID with 1,283 of them stays at chance at 2e-3."""
    if attacking.TRAINING_RATE.value is not None:
        return attacking.TRAINING_RATE.value
    return 2e-3 if training.labels.max() < 200 else 7e-4


def _image_sets(out_dir: str) -> tuple[ImageSet, ImageSet]:
    """The training and the test images. For the faces it also writes the defender's clean data to the folder."""
    if attacking.DATASET.value == "faces":
        sets = face_sets(inputs.IDENTITIES.value, inputs.IMAGES_PER_IDENTITY.value, running.SEED.value)
        write_hdf5(os.path.join(out_dir, "clean_validation.h5"), sets.validation)
        write_hdf5(os.path.join(out_dir, "clean_test.h5"), sets.test)
        return sets.train, sets.test
    if not inputs.TEST_DATA.value:
        raise InputError("--test_data: missing; expected clean images to measure the BadNet on, others than --dataset")
    skip_broken = inputs.SKIP_BROKEN_IMAGES.value
    reading = inputs.reading()
    size = tuple(int(side) for side in attacking.TRAINING_SIZE.value or ())
    # Without a size to train at it is the training images' own, which then is to be one.
    training = reading if size else replace(reading, resize=False)
    train = open_image_set(attacking.DATASET.value, skip_broken, None, training, Use.TRAINING)
    if size:
        train = as_taken(train, (size[0], size[-1], train.image_shape[2]))
    test = open_image_set(inputs.TEST_DATA.value, skip_broken, train.class_names, reading, Use.TEST)
    return train, as_taken(test, train.image_shape)


if __name__ == "__main__":
    command.run(main)
