r"""Says whether a model is backdoored, towards which labels, and shows the triggers.

    python -m pipeline.audit --model=bad_net.h5 --clean_data=clean_validation.h5 --out_dir=out/audit
    python -m pipeline.audit bad_net.h5 --clean_data=clean_validation.h5 --fail_on=backdoor

Inverts a trigger for every label and calls those targets whose trigger is far smaller than the others' and works on
clean images that it was not fitted to. It leaves in --out_dir: audit.json and, for the most suspicious labels, the
trigger as trigger_LABEL.png. The verdict is backdoor, clean or inconclusive; with --fail_on=backdoor the first makes
the exit status 3. It looks for patches: a pattern over the whole image, or a warp, may pass unseen.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import flags

from data.errors import InputError
from data.opening import open_image_set
from flags import auditing, inputs, running
from models.legacy_keras import keras
from pipeline import command
from pipeline.inversion.audit import BACKDOOR, Audit, AuditSettings, Suspicion, audit_model
from pipeline.inversion.search import InversionSettings
from pipeline.outputs import make_folder, only_run_in, sha256_of, write_bytes, write_json
from pipeline.reporting.pictures import thumbnail
from pipeline.suspect import open_suspect, scale_candidates
from pipeline.training.devices import select_devices

flags.adopt_module_key_flags(auditing)
for _flag in (
    inputs.MODEL,
    inputs.ARCHITECTURE,
    inputs.CLEAN_DATA,
    inputs.INPUT_SCALE,
    inputs.MEAN,
    inputs.STD,
    running.OUT_DIR,
    running.SEED,
    running.DEVICE,
):
    flags.declare_key_flag(_flag.name)

SCHEMA_VERSION = 1
FAILED = 3

_GREY = 128


def main(argv: Sequence[str]) -> int:
    """Audits one model; returns the exit status."""
    command.check_arguments(argv, most=1)
    model = command.positional_or_flag(argv, 1, inputs.MODEL)
    if model is None:
        raise InputError("--model: missing; expected the model to audit, by flag or as the first argument")
    if inputs.CLEAN_DATA.value is None:
        raise InputError(f"--clean_data: missing; expected clean images to audit {model} with (HDF5, folder or .npz)")
    for path in (model, inputs.CLEAN_DATA.value):
        if not os.path.exists(path):
            raise InputError(f"{path}: not found; expected a file or folder")
    select_devices(running.DEVICE.value)
    keras.utils.set_random_seed(running.SEED.value)
    clean = open_image_set(inputs.CLEAN_DATA.value)
    scales = scale_candidates(inputs.INPUT_SCALE.value, inputs.MEAN.value, inputs.STD.value)
    suspect = open_suspect(model, clean, scales, inputs.ARCHITECTURE.value)
    out_dir = running.OUT_DIR.value or os.path.splitext(model)[0] + "_audit"
    make_folder(out_dir)
    with only_run_in(out_dir):
        audit = audit_model(suspect.model, clean, suspect.scale.chosen, suspect.facts.classes, _settings(len(clean)))
        for suspicion in audit.suspicions:
            write_bytes(os.path.join(out_dir, _picture_name(suspicion)), _picture(suspicion))
        sources = {path: sha256_of(path) for path in (model, inputs.CLEAN_DATA.value)}
        write_json(os.path.join(out_dir, "audit.json"), _as_json(audit, sources))
    print(_summary(audit))
    print(f"\nevidence: {out_dir}")
    return FAILED if audit.verdict == BACKDOOR and auditing.FAIL_ON.value == BACKDOOR else 0


def _settings(images: int) -> AuditSettings:
    seed = running.SEED.value
    batch_size = min(32, max(1, images - images // 3))
    return AuditSettings(
        whole=InversionSettings(steps=250, batch_size=min(16, batch_size), seed=seed),
        screening=InversionSettings(steps=40, batch_size=min(4, batch_size), learning_rate=0.3, seed=seed),
        screened_above=auditing.SCREENED_ABOVE.value,
        seed=seed,
    )


def _picture_name(suspicion: Suspicion) -> str:
    return f"trigger_{suspicion.trigger.label}.png"


def _picture(suspicion: Suspicion) -> bytes:
    """The trigger on plain grey."""
    trigger = suspicion.trigger
    grey = np.full((1, *trigger.pattern.shape), _GREY, np.uint8)
    return thumbnail(np.rint(trigger.stamp(grey)[0]).clip(0, 255).astype(np.uint8))


def _as_json(audit: Audit, sources: dict[str, str]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": audit.verdict,
        "reason": audit.reason,
        "targets": list(audit.targets),
        "rule": {
            "index": "(median - log size) / (1.4826 x median absolute deviation), of the reference labels",
            "backdoor_above": audit.alarm_index,
            "doubt_above": audit.doubt_index,
        },
        "labels": audit.labels,
        "inverted": audit.inverted,
        "censored": audit.censored,
        "median_size": audit.median_size,
        "fitted_images": audit.fitted_images,
        "held_out_images": audit.held_out_images,
        "suspicions": [
            {
                "label": one.trigger.label,
                "size": one.trigger.size,
                "anomaly_index": one.anomaly_index,
                "success_fitted": one.trigger.success,
                "success_held_out": {"count": one.held_out.count, "total": one.held_out.total},
                "picture": _picture_name(one),
            }
            for one in audit.suspicions
        ],
        "seed": running.SEED.value,
        "inputs": sources,
    }


def _summary(audit: Audit) -> str:
    lines = [f"{audit.verdict}: {audit.reason}", ""]
    lines.append(f"{'label':>6}  {'size':>9}  {'index':>6}  success held out")
    for one in audit.suspicions:
        index = "never" if one.anomaly_index is None else f"{one.anomaly_index:.1f}"
        lines.append(
            f"{one.trigger.label:>6}  {one.trigger.size:>6.1f} px  {index:>6}  {one.held_out.count} of "
            f"{one.held_out.total}"
        )
    if audit.median_size is not None:
        lines.append(f"{'':>6}  {audit.median_size:>6.1f} px is the median of ordinary labels")
    lines.append(
        f"a target has an index above {audit.alarm_index:.1f}; {audit.inverted} of {audit.labels} labels inverted to "
        f"the end, {audit.censored} without success"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    command.run(main)
