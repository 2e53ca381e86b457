r"""Says whether a model is backdoored, towards which labels, and shows the triggers.

    python -m pipeline.audit --model=bad_net.h5 --clean_data=clean_validation.h5 --out_dir=out/audit
    python -m pipeline.audit bad_net.h5 --clean_data=clean_validation.h5 --fail_on=backdoor

For each label it searches the smallest change of the pixels that leads any image to the label. A label is a target if
its change is far smaller than those of the others and works on clean images that it was not fitted to. --out_dir gets
audit.json and, for the most suspicious labels, the change on grey and on a clean image. The verdict is backdoor, clean
or inconclusive; with --fail_on=backdoor the exit status is 3 for the first. A trigger that differs from image to image,
such as a warp, may pass unseen. docs/audit.md says how often the verdict is wrong.
"""

import goodnet.pipeline.run.early_interruption
import goodnet.pipeline.run.early_opening  # noqa: F401

# isort: split
import os
from collections.abc import Sequence

from absl import flags

from goodnet.data.errors import InputError
from goodnet.flags import inputs, running
from goodnet.pipeline.audit_steps import AuditOptions, open_audit
from goodnet.pipeline.inputs.case import Case
from goodnet.pipeline.inputs.suspect import scale_candidates
from goodnet.pipeline.inversion.verdict import BACKDOOR
from goodnet.pipeline.reporting.audit_evidence import as_json, earlier_pictures, pictures
from goodnet.pipeline.reporting.evidence import summary
from goodnet.pipeline.run import command
from goodnet.pipeline.run.output_files import check_inputs, make_folder, only_run_in, sha256_of, write_bytes, write_json
from goodnet.pipeline.run.source_digest import source_digest
from goodnet.pipeline.run.work_folder import FOLDER, check_unnamed, close_work_dir, open_work_dir, remove_earlier
from goodnet.pipeline.training.devices import select_devices

_FAIL_ON = flags.DEFINE_enum(
    "fail_on",
    "never",
    ["never", "backdoor"],
    "With backdoor, exit with status 3 when the verdict is backdoor, for a gate in continuous integration.",
)
for _flag in (*inputs.OPENING_A_SUSPECT, running.OUT_DIR, running.SEED, running.DEVICE, running.RESUME):
    flags.declare_key_flag(_flag.name)

FAILED = 3
_EVIDENCE = "audit.json"


def main(argv: Sequence[str]) -> int:
    """Audits one model; returns the exit status."""
    command.check_arguments(argv, most=1)
    model = command.positional_or_flag(argv, 1, inputs.MODEL)
    if model is None:
        raise InputError("--model: missing; expected the model to audit, by flag or as the first argument")
    if inputs.CLEAN_DATA.value is None:
        raise InputError(f"--clean_data: missing; expected clean images to audit {model} with (HDF5, folder or .npz)")
    check_inputs((model, inputs.CLEAN_DATA.value))
    out_dir = running.OUT_DIR.value or os.path.splitext(model)[0] + "_audit"
    if not running.OUT_DIR.value:
        check_unnamed(out_dir, running.RESUME.value)
    select_devices(running.DEVICE.value)
    options = AuditOptions(
        seed=running.SEED.value,
        architecture=inputs.ARCHITECTURE.value,
        max_multiply_adds=inputs.MAX_MULTIPLY_ADDS.value,
        scales=scale_candidates(*inputs.input_scale()),
        skip_broken_images=inputs.SKIP_BROKEN_IMAGES.value,
        allow_chance=inputs.ALLOW_CHANCE.value,
        reading=inputs.reading(),
    )
    audit = open_audit(Case(model, inputs.CLEAN_DATA.value, class_names=inputs.CLASS_NAMES.value), options)
    make_folder(out_dir)
    with only_run_in(out_dir, replaced=(FOLDER, _EVIDENCE, "trigger_*.png")):
        sources = {path: sha256_of(path) for path in (model, inputs.CLEAN_DATA.value)}
        request = {"inputs": sources, **audit.request(), "code": source_digest()}
        work_dir = open_work_dir(out_dir, request, running.RESUME.value)
        evidence = audit.find_evidence(work_dir)
        shown = pictures(evidence, audit.clean)
        remove_earlier(out_dir, [_EVIDENCE, *earlier_pictures(os.listdir(out_dir))])
        for name, picture in shown.items():
            write_bytes(os.path.join(out_dir, name), picture)
        content = {**as_json(evidence, shown), "seed": running.SEED.value, "inputs": sources}
        write_json(os.path.join(out_dir, _EVIDENCE), content)
        close_work_dir(work_dir)
    print(summary(evidence))
    print(f"\nevidence: {out_dir}")
    return FAILED if evidence.verdict.name == BACKDOOR and _FAIL_ON.value == BACKDOOR else 0


if __name__ == "__main__":
    command.run(main, resumable=True)
