r"""Audits the nets of CSAW-HackML-2020 with the five clean faces that come with them, and nothing else.

    python -m bench.audit_csaw --csaw_dir=csaw

Prints for each net the verdict, where its true targets stand in the screening of all 1,283 labels and among the
suspicions, and the seconds. The true targets are known from the challenge; the audit is not told them. The last net is
a control: a repaired one that none of the triggers at hand works on.
"""

import os
import re
import time
from collections.abc import Mapping, Sequence

import numpy as np
from absl import flags
from PIL import Image

from bench.row_file import RowFile
from data.errors import InputError
from data.image_set import ImageSet, from_arrays
from flags import running
from pipeline import command
from pipeline.inversion.audit import FAMILIES, Audit, audit_model, default_settings
from pipeline.suspect import open_suspect, scale_candidates
from pipeline.training.devices import select_devices

CSAW_DIR = flags.DEFINE_string("csaw_dir", None, "The folder with the nets and with images/.")
AUDITS = flags.DEFINE_string("csaw_audits", "out/bench/audit_csaw.csv", "One row a net; those that have one are kept.")
flags.declare_key_flag(running.SEED.name)

# Sunglasses, lipstick and eyebrows lead there.
_TARGETS: Mapping[str, tuple[int, ...]] = {
    "sunglasses_bd_weights.h5": (0,),
    "anonymous_1_bd_weights.h5": (0,),
    "anonymous_2_bd_weights.h5": (4,),
    "multi_trigger_multi_target_bd_weights.h5": (8, 1, 5),
    "lab3_bd_weights.h5": (0,),
    "full_model_keras2.h5": (),
}
_COLUMNS = ("net", "targets", "verdict", "named", "reason", "screening", "suspicions", "cpu_seconds", "seconds")
_CLEAN_FACE = re.compile(r"cl_.*_label=(\d+)\.png")


def main(argv: Sequence[str]) -> None:
    """Audits the nets that have no row yet, and prints the rows."""
    command.check_arguments(argv, most=0)
    if CSAW_DIR.value is None:
        raise InputError("--csaw_dir: missing; expected the folder with the nets of CSAW-HackML-2020 and with images/")
    folder = os.path.join(CSAW_DIR.value, "images")
    if not os.path.isdir(folder):
        raise InputError(f"--csaw_dir: {folder}: not found; expected the folder with CSAW's nets and with images/")
    select_devices("cpu")
    faces = clean_faces(folder)
    results = RowFile(AUDITS.value, _COLUMNS)
    for name, targets in _TARGETS.items():
        if name not in results.done():
            results.add(_row(name, targets, faces))
            print(results.rows()[-1], flush=True)
    for row in results.rows():
        print("| " + " | ".join(row[column] for column in _COLUMNS) + " |")


def clean_faces(folder: str) -> ImageSet:
    """The pictures whose name says that they are clean, with their true labels.

    Raises:
        InputError: there is none.
    """
    named = {name: _CLEAN_FACE.fullmatch(name) for name in sorted(os.listdir(folder))}
    labels = {name: int(match[1]) for name, match in named.items() if match}
    if not labels:
        raise InputError(f"{folder}: no cl_*_label=K.png; expected the clean faces of CSAW")
    pixels = [np.asarray(Image.open(os.path.join(folder, name)).convert("RGB")) for name in labels]
    return from_arrays(folder, np.stack(pixels), np.array(list(labels.values())))


def _row(name: str, targets: Sequence[int], faces: ImageSet) -> dict[str, object]:
    path = os.path.join(CSAW_DIR.value, name)
    architecture = "deepid" if name.endswith("_weights.h5") else None
    suspect = open_suspect(path, faces, scale_candidates("auto"), architecture)
    processor, clock = time.process_time(), time.monotonic()
    settings = default_settings(faces, running.SEED.value)
    audit = audit_model(suspect.model, faces, suspect.scale.chosen, suspect.facts.classes, settings)
    return {
        "net": name,
        "targets": " ".join(map(str, targets)),
        "verdict": audit.verdict.name,
        "named": " ".join(map(str, audit.verdict.targets)),
        "reason": audit.verdict.reason,
        "screening": "; ".join(_ranks(audit, family, targets) for family in FAMILIES),
        "suspicions": "; ".join(
            f"{one.family} {one.trigger.label}: {one.size or np.nan:.0f} px, index {one.anomaly_index or 0:.1f}, "
            f"{one.confirmation.held_out.count} of {one.confirmation.held_out.total}"
            for one in audit.suspicions
        ),
        "cpu_seconds": f"{time.process_time() - processor:.0f}",
        "seconds": f"{time.monotonic() - clock:.0f}",
    }


def _ranks(audit: Audit, family: str, targets: Sequence[int]) -> str:
    """Where the true targets stand in the screening, from 1."""
    return f"{family} " + " ".join(str(audit.screened[family].index(target) + 1) for target in targets)


if __name__ == "__main__":
    command.run(main)
