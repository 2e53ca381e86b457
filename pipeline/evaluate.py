"""Measures a BadNet, and its repair if there is one, on clean and poisoned images.

    python -m pipeline.evaluate clean_test.h5 bad_net.h5
    python -m pipeline.evaluate --model=bad_net.h5 --run=out --test_data=clean_test.h5 --poisoned_data=sunglasses.h5

The data may be the first argument and the model the second. The repair is taken from --run; without it, it is looked
for beside the model. The command prints accuracy on the given labels for BadNet, pruned, repaired and detector. It
calls that attack success only where a set says that it is poisoned (it has the true labels) or is given as
--poisoned_data. With --out_dir it also writes the figures there, as metrics.json.
"""

import goodnet.pipeline.run.early_interruption
import goodnet.pipeline.run.early_opening  # noqa: F401

# isort: split
import os
from collections.abc import Sequence
from dataclasses import replace

from absl import flags

from goodnet.data.class_names import read_class_names, target_for_each, with_target
from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet
from goodnet.data.opening import open_image_set
from goodnet.data.use import Use
from goodnet.flags import inputs, running
from goodnet.models.classifier import check_fits
from goodnet.models.input_scale_search import AtChance
from goodnet.models.loading.opening import open_model
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.inputs.case import as_taken
from goodnet.pipeline.inputs.suspect import open_classifier, open_suspect, scale_candidates
from goodnet.pipeline.measuring.comparison import NamedSet, Networks, distinct_names, measure
from goodnet.pipeline.measuring.evaluation import evaluate_sets
from goodnet.pipeline.reporting.tables import format_table, format_worst_classes
from goodnet.pipeline.run import command
from goodnet.pipeline.run.finished_runs import Run, find_run, open_run
from goodnet.pipeline.run.manifest import FILE_NAME
from goodnet.pipeline.run.output_files import check_replaceable, make_folder, only_run_in, write_json
from goodnet.pipeline.run.progress import log
from goodnet.pipeline.training.devices import select_devices

_RUN = flags.DEFINE_string(
    "run", None, "The folder of the repair to evaluate too. Default: looked for beside the model."
)
for _flag in (
    inputs.MODEL,
    inputs.ARCHITECTURE,
    inputs.MAX_MULTIPLY_ADDS,
    inputs.CLEAN_DATA,
    inputs.CLEAN_PART,
    inputs.TEST_DATA,
    inputs.POISONED_DATA,
    inputs.CLASS_NAMES,
    inputs.TARGET,
    inputs.SKIP_BROKEN_IMAGES,
    inputs.RESIZE,
    inputs.EXIF_ORIENTATION,
    inputs.CROP_TO_ROI,
    inputs.INPUT_SCALE,
    inputs.MEAN,
    inputs.STD,
    inputs.CHANNEL_ORDER,
    running.DEVICE,
    running.OUT_DIR,
):
    flags.declare_key_flag(_flag.name)


def main(argv: Sequence[str]) -> None:
    """Measures and prints the table."""
    command.check_arguments(argv, most=2)
    model = command.positional_or_flag(argv, 2, inputs.MODEL)
    if model is None:
        raise InputError("--model: missing; expected a model's file, by flag or as the second argument")
    if not os.path.exists(model):
        raise InputError(f"{model}: not found; expected a model's file")
    _check_out_dir()
    select_devices(running.DEVICE.value)
    sets = _sets(argv[1] if len(argv) > 1 else None)
    run = open_run(_RUN.value, model) if _RUN.value else find_run(model)
    if run is None:
        log.info("no repair of %s beside it; only the model itself is measured (see --run)", model)
    networks = _networks(model, run, sets)
    sets = [replace(one, images=as_taken(one.images, networks.badnet.facts.image_shape)) for one in sets]
    for one in sets:
        check_fits(networks.badnet.facts, one.images)
    evaluation = evaluate_sets([answered.measured for answered in measure(networks, sets)])
    print(format_table(evaluation))
    print("\n" + format_worst_classes(evaluation))
    if running.OUT_DIR.value:
        with only_run_in(running.OUT_DIR.value, replaced=("metrics.json",)):
            write_json(os.path.join(running.OUT_DIR.value, "metrics.json"), evaluation.to_json())


def _check_out_dir() -> None:
    if running.OUT_DIR.value:
        make_folder(running.OUT_DIR.value)
        check_replaceable(os.path.join(running.OUT_DIR.value, "metrics.json"))
        if os.path.exists(os.path.join(running.OUT_DIR.value, FILE_NAME)):
            raise InputError(
                f"--out_dir={running.OUT_DIR.value}: holds a repair, whose manifest names its own metrics.json; "
                "expected another folder"
            )


def _sets(positional: str | None) -> list[NamedSet]:
    given_plain = (
        (positional, Use.TEST),
        (inputs.CLEAN_DATA.value, Use.CLEAN),
        (inputs.TEST_DATA.value, Use.TEST),
    )
    plain = [(path, use) for path, use in given_plain if path is not None]
    if not plain and not inputs.POISONED_DATA.value:
        raise InputError("data: missing; expected images as the first argument, by --test_data or by --poisoned_data")
    poisoned = inputs.POISONED_DATA.value
    targets = target_for_each(inputs.TARGET.value, poisoned)
    wanted = [*plain, *((path, Use.POISONED) for path in poisoned)]
    paths = [path for path, _ in wanted]
    opened = _opened(wanted)
    given = opened[: len(plain)]
    stamped = [with_target(images, target) for images, target in zip(opened[len(plain) :], targets, strict=True)]
    return [
        NamedSet(name, images, given_as_poisoned=index >= len(plain))
        for index, (name, images) in enumerate(zip(distinct_names(paths), [*given, *stamped], strict=True))
    ]


def _opened(wanted: Sequence[tuple[str, Use]]) -> list[ImageSet]:
    """Opens the sets. Those that are surely clean come first, since they give the class names if no file does."""
    names = read_class_names(inputs.CLASS_NAMES.value)
    first = [one for one in wanted if one in ((inputs.CLEAN_DATA.value, Use.CLEAN), (inputs.TEST_DATA.value, Use.TEST))]
    found: dict[tuple[str, Use], ImageSet] = {}
    for path, use in dict.fromkeys([*first, *wanted]):
        images = open_image_set(path, inputs.SKIP_BROKEN_IMAGES.value, names, inputs.reading(), use)
        names = images.class_names if names is None else names
        found[path, use] = images
    return [found[one] for one in wanted]


def _networks(model: str, run: Run | None, sets: Sequence[NamedSet]) -> Networks:
    most = inputs.MAX_MULTIPLY_ADDS.value
    if run is None:
        suspect = open_suspect(
            model,
            _images_to_find_the_scale(sets),
            scale_candidates(*inputs.input_scale()),
            inputs.ARCHITECTURE.value,
            # Nothing is decided here, and a set may be poisoned or hold one class: a figure of chance is a figure.
            AtChance.WARN,
            most,
        )
        return Networks(suspect.network)
    badnet = open_classifier(model, sets[0].images, inputs.ARCHITECTURE.value, most)
    return Networks(
        ScaledNetwork(badnet, run.input_scale),
        pruned=open_model(run.artefacts.pruned, most_multiply_adds=most),
        repaired=open_model(run.artefacts.repaired_h5, most_multiply_adds=most),
        detector=open_model(run.artefacts.detector_keras, flat=False, most_multiply_adds=most),
        detector_tflite=run.artefacts.detector_tflite,
    )


def _images_to_find_the_scale(sets: Sequence[NamedSet]) -> ImageSet:
    """A clean set if there is one, else a poisoned one, whose labels are what the BadNet should answer."""
    chosen = next((one for one in sets if not (one.given_as_poisoned or one.images.true_labels is not None)), sets[0])
    if chosen.given_as_poisoned or chosen.images.true_labels is not None:
        log.info("%s: poisoned; the pixel scale is chosen by the answers that its labels say", chosen.images.name)
    return chosen.images


if __name__ == "__main__":
    command.run(main)
