"""Running one cell: its BadNet, made once and kept; its repair; its row of figures."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.binaries import run_attack, run_repair
from bench.datasets import Files, clean_file, dataset_files
from bench.figures import repair_figures
from bench.grid import BadNet, Cell
from bench.locks import held
from bench.recipes import attack_arguments
from flags import benchmarking, running
from pipeline.command import default_cache_dir
from pipeline.outputs import make_folder, sha256_of
from pipeline.source_digest import source_digest

_NAME = "badnet"
_MODELS = (".h5", ".keras", ".tflite")


@dataclass(frozen=True)
class Workshop:
    """Where cells are run.

    Attributes:
        cache_dir: where data, BadNets and what is left of repairs are kept.
        gtsrb_dir: the folder with GTSRB, or None.
    """

    cache_dir: str
    gtsrb_dir: str | None = None

    @classmethod
    def from_flags(cls) -> "Workshop":
        """The one that --cache_dir and --gtsrb_dir name."""
        cache_dir = running.CACHE_DIR.value or os.path.join(default_cache_dir(), "bench")
        return cls(cache_dir, benchmarking.GTSRB_DIR.value)

    def files(self, badnet: BadNet) -> Files:
        """The data of a BadNet."""
        return dataset_files(badnet.dataset, badnet.seed, self.cache_dir, self.gtsrb_dir)

    def badnet_dir(self, badnet: BadNet) -> str:
        """The folder of a BadNet; one that is trained in another way has another."""
        digest = hashlib.sha256("\n".join(attack_arguments(badnet)).encode()).hexdigest()[:8]
        return os.path.join(self.cache_dir, "badnets", f"{badnet.name.replace('/', '-')}-{digest}")

    def run_dir(self, cell: Cell) -> str:
        """The folder of a cell's repair."""
        return os.path.join(self.badnet_dir(cell.badnet), "runs", f"{cell.clean.replace('%', 'pc')}-{cell.method}")

    def has_badnet(self, badnet: BadNet) -> bool:
        """Whether a BadNet is in the cache."""
        return os.path.exists(self.attack_file(badnet))

    def model_file(self, badnet: BadNet) -> str:
        """The network of a BadNet."""
        return os.path.join(self.badnet_dir(badnet), f"{_NAME}_bd_net.h5")

    def attack_file(self, badnet: BadNet) -> str:
        """What an attack says of itself, and writes last."""
        return os.path.join(self.badnet_dir(badnet), f"{_NAME}_attack.json")

    def clean_file(self, badnet: BadNet, percent: int | None) -> str:
        """The clean images that a BadNet is repaired with, as in `bench.datasets.clean_file`."""
        data_dir = os.path.join(self.cache_dir, "data", f"{badnet.dataset}-seed{badnet.seed}")
        return clean_file(self.files(badnet), percent, badnet.seed, data_dir)


def make_badnet(badnet: BadNet, workshop: Workshop) -> str:
    """Trains a BadNet, or finds it in the cache.

    Returns:
        Its folder: `badnet_bd_net.h5`, a poisoned test set for each trigger, `badnet_attack.json`.

    Raises:
        BinaryError: the training failed.
        InputError: there is no such data.
    """
    files, folder = workshop.files(badnet), workshop.badnet_dir(badnet)
    make_folder(folder, "cache_dir")
    with held(folder + ".lock"):
        if not workshop.has_badnet(badnet):
            arguments = (
                f"--dataset={files.train}",
                f"--test_data={files.test}",
                f"--out_dir={folder}",
                f"--name={_NAME}",
                *attack_arguments(badnet),
            )
            run_attack(arguments, os.path.join(folder, "attack.log"))
    return folder


def run_cell(cell: Cell, workshop: Workshop) -> Mapping[str, Any]:
    """Repairs a BadNet as a user would.

    The models that the repair wrote are removed; figures, manifest, report and log stay in the BadNet's folder.

    Returns:
        The cell's row.

    Raises:
        BinaryError: training or repair failed.
        InputError: there is no such data.
    """
    badnet, folder = cell.badnet, make_badnet(cell.badnet, workshop)
    files = workshop.files(badnet)
    out_dir = workshop.run_dir(cell)
    make_folder(out_dir, "cache_dir")
    model = workshop.model_file(badnet)
    poisoned = sorted(name for name in os.listdir(folder) if name.startswith(f"{_NAME}_poisoned_"))
    seconds = run_repair(
        (
            f"--model={model}",
            f"--clean_data={workshop.clean_file(badnet, cell.percent)}",
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
        "role": badnet.role,
        "dataset": badnet.dataset,
        "network": badnet.network,
        "attack": badnet.attack,
        "seed": badnet.seed,
        "clean": cell.clean,
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
