r"""Counts how often `pipeline.audit` is wrong on the networks of the benchmark of defenses, and on clean ones.

    python -m bench.audit_badnets --gtsrb_dir=gtsrb --cells='^gtsrb/'

They are larger than those of `bench.audit_errors`: 43 labels of GTSRB and 48 of the faces, whole architectures. Each is
audited with the clean images of a repair, 5 % of the training set's size. --badnet_audits gets one row a network; a run
that was interrupted goes on with the first network that has none. BadNets are those of --cache_dir, made where they are
missing.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from bench.audit_cases import BLENDED, CLEAN, PATCH, WAVE_OR_WARP
from bench.audit_table import error_table
from bench.audit_trials import COLUMNS, WEAK, is_weak, verdict_columns
from bench.binaries import BinaryError
from bench.cells import Workshop, make_badnet
from bench.grid import ATTACKS, DEVELOPMENT, FACES, GTSRB, HELD_OUT, NETWORKS, BadNet, chosen_cells
from bench.row_file import RowFile
from data.opening import open_image_set
from data.triggers.catalogue import parse_attack
from flags import benchmarking, running
from models.input_scale import DEFAULT_SCALES
from models.legacy_keras import keras
from pipeline import command
from pipeline.inversion.audit import AuditSettings, audit_model, default_settings
from pipeline.progress import log
from pipeline.suspect import open_suspect
from pipeline.training.devices import select_devices

AUDITS = flags.DEFINE_string(
    "badnet_audits", "out/bench/audit_badnets.csv", "One row a network; those that have one are kept."
)
for _flag in (benchmarking.GTSRB_DIR, benchmarking.CELLS, running.CACHE_DIR):
    flags.declare_key_flag(_flag.name)

_PERCENT = 5
_CLEAN = "clean"
_CLEAN_SEEDS = (0, 1, 2)
_KINDS = {_CLEAN: CLEAN, "blended": BLENDED, "sig": WAVE_OR_WARP, "wanet": WAVE_OR_WARP}


def main(argv: Sequence[str]) -> int:
    """Audits the networks that have no row yet, and prints a table for each role; exit status 1 if some failed."""
    command.check_arguments(argv, most=0)
    badnets = chosen_cells(audited_badnets(), benchmarking.CELLS.value)
    workshop, results = Workshop.from_flags(), RowFile(AUDITS.value, COLUMNS)
    select_devices("cpu")
    failures = 0
    for badnet in badnets:
        if badnet.name in results.done():
            continue
        try:
            row = audit_row(badnet, workshop)
        except BinaryError as failure:
            failures += 1
            log.warning("%s: %s", badnet.name, failure)
            continue
        results.add(row)
        log.info("%s: %s; %s", badnet.name, row["outcome"], row["reason"])
    for wanted in (DEVELOPMENT, HELD_OUT):
        of_role = [row for row in results.rows() if row["case"] in {one.name for one in badnets if role(one) == wanted}]
        print(f"{wanted}\n\n{error_table(of_role)}\n")
    return min(failures, 1)


def audited_badnets() -> tuple[BadNet, ...]:
    """The grid's BadNets of seed 0, and clean networks of three seeds."""
    clean = [
        BadNet(data, network, _CLEAN, seed) for data in (GTSRB, FACES) for network in NETWORKS for seed in _CLEAN_SEEDS
    ]
    attacked = [BadNet(data, network, attack) for data in (GTSRB, FACES) for network in NETWORKS for attack in ATTACKS]
    return (*clean, *attacked, BadNet(FACES, "deepid", "sunglasses"))


def role(badnet: BadNet) -> str:
    """DEVELOPMENT: the audit's rule, or the search that it shares with the repair, was made with an eye on it."""
    if badnet.attack == _CLEAN:
        return DEVELOPMENT if badnet.seed == 0 else HELD_OUT
    return badnet.role


def audit_row(badnet: BadNet, workshop: Workshop, settings: AuditSettings | None = None) -> Mapping[str, Any]:
    """Audits one network, unless its accuracy or its attack is too weak to count.

    Args:
        badnet: which; it is made if it is not in the cache.
        workshop: where it is.
        settings: what the audit spends; None for what `pipeline.audit` does.

    Returns:
        A row, by `COLUMNS`.

    Raises:
        BinaryError: the training failed.
        InputError: there is no such data.
    """
    make_badnet(badnet, workshop)
    keras.backend.clear_session()
    keras.utils.set_random_seed(badnet.seed)
    clean = open_image_set(workshop.clean_file(badnet, _PERCENT))
    with open(workshop.attack_file(badnet)) as file:
        made = json.load(file)
    accuracy = made["clean_accuracy"]["value"]
    asr = min((rate["value"] for rate in made["attack_success"].values()), default=None)
    attacks = [text for text in made["settings"]["triggers"] if text]
    suspect = open_suspect(workshop.model_file(badnet), clean, DEFAULT_SCALES)
    row = {
        "case": badnet.name,
        "kind": _KINDS.get(badnet.attack, PATCH),
        "seed": badnet.seed,
        "dataset": badnet.dataset,
        "network": badnet.network,
        "classes": suspect.facts.classes,
        "attacks": " ".join(attacks),
        "images": len(clean),
        "accuracy": f"{accuracy:.4f}",
        "asr": "" if asr is None else f"{asr:.4f}",
    }
    if is_weak(accuracy, asr):
        return {**row, "outcome": WEAK, "reason": "too weak to count, so not audited"}
    started = time.process_time()
    spent = settings or default_settings(clean, badnet.seed)
    audit = audit_model(suspect.model, clean, suspect.scale.chosen, suspect.facts.classes, spent)
    seconds = time.process_time() - started
    targets = {target for text in attacks if (target := parse_attack(text).target_label) is not None}
    return {**row, **verdict_columns(audit, targets), "audit_cpu_seconds": f"{seconds:.1f}"}


if __name__ == "__main__":
    command.run(main)
