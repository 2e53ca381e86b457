"""One BadNet of the zoo in a process of its own, so that its memory is returned: `bench.zoo` starts it.

python -m bench.zoo.one_badnet '{"seed": 3, "methods": ["full"], "percent": 5, "threads": 1, ...}'
"""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from bench.zoo.cell import Place, repaired_rows
from bench.zoo.draw import draw
from bench.zoo.rows import ZooRows
from goodnet.models.legacy_keras import tf
from goodnet.pipeline.run import command
from goodnet.pipeline.run.progress import log

_SHOWN = (
    "verdict", "named", "targets", "acc_before", "acc_after", "asr_before", "asr_after", "tpr", "fpr", "seconds"
)  # fmt: skip


def main(argv: Sequence[str]) -> None:
    """Adds a row for each method that a job asks for."""
    command.check_arguments(argv, most=1)
    run(json.loads(argv[1]))


def run(job: Mapping[str, Any]) -> None:
    """Repairs the BadNet of a job; keys as `bench.zoo.__main__` writes them."""
    tf.config.threading.set_intra_op_parallelism_threads(job["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(job["threads"])
    place, results, one = Place(job["data_dir"], job["cache_dir"]), ZooRows(job["results"]), draw(job["seed"])
    if one.held_out:
        # What a method says on its way tells of one network, too.
        log.setLevel(logging.ERROR)
    for row in repaired_rows(one, job["methods"], job["percent"], place):
        results.add(row)
        print(described(row), file=sys.stderr)


def described(row: Mapping[str, Any]) -> str:
    """One line; no figure of a held-out network, since nobody looks into one."""
    shown = ("seconds",) if row["held_out"] else _SHOWN
    return ", ".join([row["cell"], *(f"{name} {row.get(name, '-')}" for name in shown)])


if __name__ == "__main__":
    command.run(main)
