r"""Holds the methods of repair against each other over datasets, attacks, networks and amounts of clean data.

    python -m bench.defenses --quick
    python -m bench.defenses --gtsrb_dir=gtsrb --cells=gtsrb/vgg

A BadNet is trained once and kept in --cache_dir; each method then repairs it with `pipeline.repair`, in a process of
its own, as a user would. --results gets one row a cell; a run that was interrupted goes on with the first cell that has
none. A table in Markdown and a figure are written beside it.
"""

from collections.abc import Sequence

from absl import flags

from bench.binaries import BinaryError
from bench.cells import Workshop, make_badnet, run_cell
from bench.grid import Cell, all_cells, chosen_cells, quick_cells
from bench.locks import held
from bench.results import Results
from bench.scatter import scatter
from bench.table import summary
from flags import benchmarking, running
from pipeline import command
from pipeline.progress import log

flags.adopt_module_key_flags(benchmarking)
flags.declare_key_flag(running.CACHE_DIR.name)


def main(argv: Sequence[str]) -> int | None:
    """Runs the cells that have no row yet, and sums up; exit status 1 if some failed."""
    command.check_arguments(argv, most=0)
    cells = chosen_cells(quick_cells() if benchmarking.QUICK.value else all_cells(), benchmarking.CELLS.value)
    results = Results(benchmarking.RESULTS.value)
    workshop = Workshop.from_flags()
    if benchmarking.LIST.value:
        done = results.done()
        print("\n".join(f"{'done' if cell.name in done else '    '}  {cell.name}" for cell in cells))
        return None
    if benchmarking.BADNETS_ONLY.value:
        return _make_badnets(cells, workshop)
    failed = _run(cells, workshop, results)
    results.sum_up(summary, scatter)
    return failed


def _make_badnets(cells: Sequence[Cell], workshop: Workshop) -> int:
    badnets = tuple(dict.fromkeys(cell.badnet for cell in cells))
    failures = 0
    for number, badnet in enumerate(badnets, start=1):
        try:
            log.info("[%d/%d] %s: %s", number, len(badnets), badnet.name, make_badnet(badnet, workshop))
        except BinaryError as failure:
            failures += 1
            log.warning("[%d/%d] %s: %s", number, len(badnets), badnet.name, failure)
    return min(failures, 1)


def _run(cells: Sequence[Cell], workshop: Workshop, results: Results) -> int:
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
