r"""Repairs BadNets that the zoo does not draw, such as those beyond the threat model, as a user would.

    python -m bench.defenses --list
    python -m bench.defenses --cells='^faces/'
    python -m bench.defenses --data_dir=DATA --cells='all-to-all/.*/full$'

A BadNet is trained once, by `pipeline.attack`, and kept in --cache_dir; each method then repairs it with
`pipeline.repair`, in a process of its own. --results gets one row a cell; a run that was interrupted goes on with the
first cell that has none. A table in Markdown is written beside it.
"""

import os
from collections.abc import Sequence

from absl import flags

from bench import benchmark_flags
from bench.binaries import BinaryError
from bench.cell_table import cell_table
from bench.cells import COLUMNS, Workshop, run_cell
from bench.grid import Cell, all_cells, chosen_cells
from bench.locks import held
from bench.row_file import RowFile
from goodnet.flags import running
from goodnet.pipeline.run import command
from goodnet.pipeline.run.progress import log

flags.adopt_module_key_flags(benchmark_flags)
for _shared in (running.CACHE_DIR, running.SEED):
    flags.declare_key_flag(_shared.name)


def main(argv: Sequence[str]) -> int | None:
    """Runs the cells that have no row yet, and sums up; exit status 1 if some failed."""
    command.check_arguments(argv, most=0)
    cells = chosen_cells(all_cells(running.SEED.value), benchmark_flags.CELLS.value)
    results = RowFile(benchmark_flags.RESULTS.value, COLUMNS)
    if benchmark_flags.LIST.value:
        done = results.done()
        print("\n".join(f"{'done' if cell.name in done else '    '}  {cell.name}" for cell in cells))
        return None
    cache_dir = running.CACHE_DIR.value or os.path.join(command.default_cache_dir(), "bench")
    failed = _run(cells, Workshop(cache_dir, benchmark_flags.DATA_DIR.value), results)
    results.sum_up(cell_table)
    return failed


def _run(cells: Sequence[Cell], workshop: Workshop, results: RowFile) -> int:
    failures = 0
    for number, cell in enumerate(cells, start=1):
        with held(workshop.run_dir(cell) + ".lock"):
            if cell.name in results.done():
                continue
            try:
                row = run_cell(cell, workshop)
            except BinaryError as failure:
                failures += 1
                log.warning("[%d/%d] %s: %s", number, len(cells), cell.name, failure)
                continue
            results.add(row)
        log.info(
            "[%d/%d] %s: ACC %s -> %s, ASR %s -> %s, %s s",
            *(number, len(cells), cell.name),
            *(row[name] for name in ("acc_before", "acc_after", "asr_before", "asr_after", "seconds")),
        )
    return min(failures, 1)


if __name__ == "__main__":
    command.run(main)
