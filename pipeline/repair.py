r"""Repairs a suspect: looks for a backdoor, prunes, unlearns, calibrates a detector, exports, measures, reports.

    python -m pipeline.repair
    python -m pipeline.repair --model=bad_net.h5 --clean_data=clean_validation.h5 --out_dir=out \
        --test_data=clean_test.h5 --poisoned_data=sunglasses_poisoned.h5

With no model it repairs a BadNet of its own on embedded faces. It leaves in --out_dir: pruned.h5, repaired.h5,
repaired.keras, detector.keras, detector.tflite, device.zip, metrics.json, manifest.json and report.html. A model
without evidence of a backdoor is left as it is: these files then hold the model itself, unless --without_evidence asks
for a repair all the same. Poisoned data is only measured on, and opened only after every model is written.
"""

import goodnet.pipeline.run.early_interruption
import goodnet.pipeline.run.early_opening  # noqa: F401

# isort: split
import os
from collections.abc import Sequence

from absl import flags

from goodnet.data.class_names import target_for_each
from goodnet.data.errors import InputError
from goodnet.flags import inputs, running
from goodnet.flags.settings import define_flags, settings_of_flags
from goodnet.pipeline.inputs.case import Case
from goodnet.pipeline.inputs.embedded_case import embedded_case
from goodnet.pipeline.inputs.suspect import scale_candidates
from goodnet.pipeline.methods.repair_method import RepairSettings
from goodnet.pipeline.repair_steps import Options, repair
from goodnet.pipeline.run import command
from goodnet.pipeline.run.finished_runs import default_run_dir
from goodnet.pipeline.run.output_files import check_inputs
from goodnet.pipeline.run.work_folder import check_unnamed
from goodnet.pipeline.training.devices import Devices, select_devices
from goodnet.pipeline.training.run_config import RunConfig

for _module in (inputs, running):
    flags.adopt_module_key_flags(_module)
for _settings in (RepairSettings, Options):
    define_flags(_settings)


def main(argv: Sequence[str]) -> None:
    """Repairs one model, as the flags say."""
    command.check_arguments(argv, most=1)
    devices = select_devices(running.DEVICE.value)
    case = _case(argv, devices)
    result = repair(case, _options(case), devices)
    if result.finding:
        print(f"{result.finding}\n")
    print(result.table)
    print(f"\nreport: {result.report}")


def _case(argv: Sequence[str], devices: Devices) -> Case:
    model = command.positional_or_flag(argv, 1, inputs.MODEL)
    if model is None:
        needy = (inputs.CLEAN_DATA, inputs.TEST_DATA, inputs.POISONED_DATA, inputs.CLASS_NAMES, inputs.TARGET)
        given = [flag for flag in needy if flag.value]
        if given:
            raise InputError(f"--model: missing, but --{given[0].name} is given; expected the model that it belongs to")
        found = embedded_case(
            running.CACHE_DIR.value or command.default_cache_dir(),
            inputs.IDENTITIES.value,
            inputs.IMAGES_PER_IDENTITY.value,
            RunConfig(devices.strategy, running.SEED.value),
        )
        return Case(found.model, found.clean, found.test, (found.poisoned,))
    if inputs.CLEAN_DATA.value is None:
        raise InputError(f"--clean_data: missing; expected clean images to repair {model} with (HDF5, folder or .npz)")
    poisoned = tuple(inputs.POISONED_DATA.value)
    targets = tuple(target_for_each(inputs.TARGET.value, poisoned))
    case = Case(model, inputs.CLEAN_DATA.value, inputs.TEST_DATA.value, poisoned, targets, inputs.CLASS_NAMES.value)
    check_inputs(case.paths)
    return case


def _options(case: Case) -> Options:
    on_faces = inputs.CLEAN_DATA.value is None
    default_out_dir = os.path.join("out", "faces") if on_faces else default_run_dir(case.model)
    if not running.OUT_DIR.value:
        check_unnamed(default_out_dir, running.RESUME.value)
    return settings_of_flags(
        Options,
        out_dir=running.OUT_DIR.value or default_out_dir,
        settings=settings_of_flags(
            RepairSettings,
            batch_size=running.BATCH_SIZE.value,
            max_shift=running.MAX_SHIFT.value,
        ),
        seed=running.SEED.value,
        precision=running.PRECISION.value,
        min_parity=running.MIN_PARITY.value,
        precision_may_change=not running.PRECISION.present,
        architecture=inputs.ARCHITECTURE.value,
        max_multiply_adds=inputs.MAX_MULTIPLY_ADDS.value,
        scales=scale_candidates(*inputs.input_scale()),
        resume=running.RESUME.value,
        skip_broken_images=inputs.SKIP_BROKEN_IMAGES.value,
        allow_chance=inputs.ALLOW_CHANCE.value,
        reading=inputs.reading(),
    )


if __name__ == "__main__":
    command.run(main, resumable=True)
