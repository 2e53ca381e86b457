"""Converts a Keras detector, or a plain classifier, to TFLite for the device, and checks that it answers the same.

    python -m pipeline.export --model=out/detector.keras --clean_data=clean_validation.h5
    python -m pipeline.export --model=bad_net.h5 --clean_data=clean_validation.h5 --precision=float16
    python -m pipeline.export --model=out/detector.keras --clean_data=clean_validation.h5 --bundle=device.zip

The clean images have three uses: a classifier's pixel scale is found on them, they set the ranges of
--precision=full_integer, and both files are compared on them, as they are and stamped at random. A detector's file
holds its threshold. Where int8 does not answer as the Keras model does, half or full precision is written. Where a
precision that was asked for does not, nothing is written.
"""

import goodnet.pipeline.run.early_interruption
import goodnet.pipeline.run.early_opening  # noqa: F401

# isort: split
import os
import tempfile
from collections.abc import Mapping, Sequence

from absl import flags

from goodnet.data.class_names import read_class_names
from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet
from goodnet.data.opening import open_image_set
from goodnet.export.bundle import DetectorCard, add_bundle, read_card
from goodnet.export.conversion import SIGNATURE
from goodnet.export.metadata import with_scores_alone
from goodnet.flags import inputs, running
from goodnet.models.classifier import check_fits, classifier_facts
from goodnet.models.detector import is_detector, take_apart
from goodnet.models.legacy_keras import keras
from goodnet.models.loading.opening import open_model
from goodnet.pipeline.exporting.device_bundle import device_bundle
from goodnet.pipeline.exporting.faithful_export import Export
from goodnet.pipeline.exporting.model_export import export_classifier, export_detector
from goodnet.pipeline.inputs.case import as_taken
from goodnet.pipeline.inputs.suspect import chance_policy, open_suspect, scale_candidates
from goodnet.pipeline.run import command
from goodnet.pipeline.run.output_files import check_replaceable, sha256_of, write_bytes
from goodnet.pipeline.run.progress import log

_OUTPUT = flags.DEFINE_string("output", None, "The .tflite file to write. Default: beside the model, with its name.")
_IMAGE_CLASSIFIER = flags.DEFINE_string(
    "image_classifier",
    None,
    "A second .tflite file to write, for tools that take any image classifier, such as MediaPipe: the same graph with"
    " the scores alone, of which a detector's last is that of `backdoor`.",
)
_BUNDLE = flags.DEFINE_string(
    "bundle",
    None,
    "A .zip to write with what a device needs beside Python: the .tflite file, labels.txt, a runner in one file, its"
    " requirements and a README.",
)
for _flag in (*inputs.OPENING_A_SUSPECT, running.SEED, running.PRECISION, running.MIN_PARITY):
    flags.declare_key_flag(_flag.name)


def main(argv: Sequence[str]) -> None:
    """Converts one model."""
    command.check_arguments(argv, most=1)
    path = command.positional_or_flag(argv, 1, inputs.MODEL)
    if path is None:
        raise InputError("--model: missing; expected a detector.keras or a classifier's file")
    if inputs.CLEAN_DATA.value is None:
        raise InputError("--clean_data: missing; expected clean images of the kind the model is for")
    output = _OUTPUT.value or os.path.splitext(path)[0] + ".tflite"
    _check_outputs(
        {_OUTPUT.name: output, **{one.name: one.value for one in (_IMAGE_CLASSIFIER, _BUNDLE) if one.value}},
        {inputs.MODEL.name: path, inputs.CLEAN_DATA.name: inputs.CLEAN_DATA.value},
    )
    names = read_class_names(inputs.CLASS_NAMES.value)
    clean = open_image_set(inputs.CLEAN_DATA.value, inputs.SKIP_BROKEN_IMAGES.value, names, inputs.reading())
    most = inputs.MAX_MULTIPLY_ADDS.value
    model = open_model(path, inputs.ARCHITECTURE.value, clean.image_shape, flat=False, most_multiply_adds=most)
    exported = _export_detector if is_detector(model) else _export_classifier
    card, export = exported(path, model, clean)
    tflite = add_bundle(export.tflite, card)
    write_bytes(output, tflite)
    if _IMAGE_CLASSIFIER.value is not None:
        write_bytes(_IMAGE_CLASSIFIER.value, add_bundle(with_scores_alone(export.tflite, SIGNATURE), card))
    if _BUNDLE.value is not None:
        write_bytes(_BUNDLE.value, device_bundle(tflite, card))
    log.info("%s: %s; stamped: %s", output, export.clean, export.stamped)


def _check_outputs(path_by_flag: Mapping[str, str], inputs_by_flag: Mapping[str, str]) -> None:
    """Refuses what cannot be written, before anything is read or written; no file is made for it."""
    flags_by_path = {os.path.realpath(path): flag for flag, path in inputs_by_flag.items()}
    for flag, path in path_by_flag.items():
        check_replaceable(path, flag)
        other = flags_by_path.setdefault(os.path.realpath(path), flag)
        if other != flag:
            raise InputError(f"--{flag}={path}: the file of --{other}, too; expected another one")
        try:
            with tempfile.TemporaryFile(dir=os.path.dirname(os.path.abspath(path))):
                pass
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise InputError(f"--{flag}={path}: {reason}; expected a folder that can be written to") from error


def suspect_of(path: str) -> str | None:
    """SHA-256 of the suspect of a detector, as the card beside it says, if that was made of the same detector."""
    try:
        card = read_card(os.path.splitext(path)[0] + ".tflite")
    except (OSError, ValueError):  # It may be anything; nothing is known then.
        return None
    return card.suspect_sha256 if card and card.keras_sha256 == sha256_of(path) else None


def _export_detector(path: str, detector: keras.Model, clean: ImageSet) -> tuple[DetectorCard, Export]:
    parts = take_apart(detector)
    facts = classifier_facts(parts.repaired)
    clean = as_taken(clean, facts.image_shape)
    check_fits(facts, clean)
    export = export_detector(
        detector,
        clean,
        running.SEED.value,
        running.PRECISION.value,
        running.MIN_PARITY.value,
        falls_back=not running.PRECISION.present,
    )
    card = DetectorCard(
        classes=facts.classes,
        image_shape=facts.image_shape,
        precision=export.precision,
        threshold=parts.threshold,
        class_names=clean.class_names,
        keras_sha256=sha256_of(path),
        suspect_sha256=suspect_of(path),
    )
    return card, export


def _export_classifier(path: str, _: keras.Model, clean: ImageSet) -> tuple[DetectorCard, Export]:
    scales = scale_candidates(*inputs.input_scale())
    classifier = open_suspect(
        path,
        clean,
        scales,
        inputs.ARCHITECTURE.value,
        chance_policy(inputs.ALLOW_CHANCE.value),
        inputs.MAX_MULTIPLY_ADDS.value,
    )
    clean = as_taken(clean, classifier.facts.image_shape)
    scale = classifier.scale.chosen
    export = export_classifier(
        classifier.model,
        scale,
        clean,
        running.SEED.value,
        running.PRECISION.value,
        running.MIN_PARITY.value,
        falls_back=not running.PRECISION.present,
    )
    card = DetectorCard(
        classes=classifier.facts.classes,
        image_shape=classifier.facts.image_shape,
        precision=export.precision,
        class_names=clean.class_names,
        input_scale=scale.name,
        keras_sha256=sha256_of(path),
    )
    return card, export


if __name__ == "__main__":
    command.run(main)
