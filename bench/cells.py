"""Running one cell: its BadNet, made once and kept; its repair; its row of figures."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.binaries import run_attack, run_repair
from bench.datasets import Files, clean_file, dataset_files
from bench.figures import COLUMNS as FIGURES
from bench.figures import repair_figures
from bench.grid import BadNet, Cell
from bench.locks import held
from bench.recipes import attack_arguments
from goodnet.pipeline.run.output_files import make_folder, sha256_of
from goodnet.pipeline.run.source_digest import source_digest

COLUMNS = (
    *("cell", "dataset", "network", "attack", "seed", "clean_percent", "method"),
    *FIGURES,
    *("seconds", "badnet_sha256", "code"),
)

_NAME = "badnet"
# The archive for a device holds one, too.
_MODELS = (".h5", ".keras", ".tflite", ".zip")


@dataclass(frozen=True)
class Workshop:
    """Where cells are run.

    Attributes:
        cache_dir: where data, BadNets and what is left of repairs are kept.
        data_dir: the folder with gtsrb/, or None.
    """

    cache_dir: str
    data_dir: str | None

    def files(self, badnet: BadNet) -> Files:
        """The data of a BadNet."""
        return dataset_files(badnet.dataset, badnet.seed, self.cache_dir, self.data_dir)

    def badnet_dir(self, badnet: BadNet) -> str:
        """The folder of a BadNet; one that is trained in another way has another."""
        digest = hashlib.sha256("\n".join(attack_arguments(badnet)).encode()).hexdigest()[:8]
        return os.path.join(self.cache_dir, "badnets", f"{badnet.name.replace('/', '-')}-{digest}")

    def run_dir(self, cell: Cell) -> str:
        """The folder of a cell's repair."""
        return os.path.join(self.badnet_dir(cell.badnet), "runs", cell.method)


def run_cell(cell: Cell, workshop: Workshop) -> Mapping[str, Any]:
    """Repairs a BadNet as a user would.

    The models that the repair wrote are removed; figures, manifest, report and log stay in the BadNet's folder.

    Returns:
        The cell's row, by COLUMNS.

    Raises:
        BinaryError: training or repair failed.
        InputError: there is no such data.
    """
    badnet, files, out_dir = cell.badnet, workshop.files(cell.badnet), workshop.run_dir(cell)
    folder = _make_badnet(badnet, workshop)
    make_folder(out_dir, "cache_dir")
    model = os.path.join(folder, f"{_NAME}_bd_net.h5")
    drawn_dir = os.path.join(workshop.cache_dir, "data", f"{badnet.dataset}-seed{badnet.seed}")
    poisoned = sorted(name for name in os.listdir(folder) if name.startswith(f"{_NAME}_poisoned_"))
    seconds = run_repair(
        (
            f"--model={model}",
            f"--clean_data={clean_file(files, badnet.clean_percent, badnet.seed, drawn_dir)}",
            f"--test_data={files.test}",
            *(f"--poisoned_data={os.path.join(folder, name)}" for name in poisoned),
            f"--out_dir={out_dir}",
            f"--method={cell.method}",
            f"--seed={badnet.seed}",
        ),
        os.path.join(out_dir, "repair.log"),
    )
    row = {
        "cell": cell.name,
        "dataset": badnet.dataset,
        "network": badnet.network,
        "attack": badnet.attack,
        "seed": badnet.seed,
        "clean_percent": badnet.clean_percent,
        "method": cell.method,
        **repair_figures(out_dir),
        "seconds": round(seconds, 1),
        "badnet_sha256": sha256_of(model),
        "code": source_digest(),
    }
    for entry in os.scandir(out_dir):
        if entry.name.endswith(_MODELS):
            os.remove(entry)
    return row


def _make_badnet(badnet: BadNet, workshop: Workshop) -> str:
    """Trains a BadNet, or finds it in the cache.

    Returns:
        Its folder: `badnet_bd_net.h5`, a poisoned test set for each trigger, `badnet_attack.json`.
    """
    files, folder = workshop.files(badnet), workshop.badnet_dir(badnet)
    make_folder(folder, "cache_dir")
    with held(folder + ".lock"):
        # An attack writes this file last.
        if not os.path.exists(os.path.join(folder, f"{_NAME}_attack.json")):
            arguments = (
                f"--dataset={files.train}",
                f"--test_data={files.test}",
                f"--out_dir={folder}",
                f"--name={_NAME}",
                *attack_arguments(badnet),
            )
            run_attack(arguments, os.path.join(folder, "attack.log"))
    return folder
