r"""The zoo: methods of repair on BadNets drawn by lot, each from its seed.

    python -m bench.zoo --seeds=0:20 --list
    python -m bench.zoo --seeds=0:20 --pictures=out/bench/zoo_triggers.png
    python -m bench.zoo --seeds=0:20 --methods=full,fine-tuning,fine-pruning,ft-sam --data_dir=DATA

Seeds 0 to 99 are for development. Seeds 1000 and up are held out: run when a version is finished, reported as they
come, never looked into; a version made after such a run takes the next hundred.

A network is trained once and kept in --cache_dir. --results gets a row for each network and method; a run that was
interrupted goes on with the first that has none, and several runs may share the file. Tables (.md) and a figure (.png)
are written beside it.
"""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from bench import benchmark_flags
from bench.locks import held
from bench.zoo import zoo_flags
from bench.zoo.contact_sheet import contact_sheet
from bench.zoo.datasets import Sets, load_sets
from bench.zoo.draw import HELD_OUT_FROM, Draw, draw, parse_seeds
from bench.zoo.figure import figure
from bench.zoo.method_names import ZOO_NAMES
from bench.zoo.rows import ZooRows, cell_name
from bench.zoo.summary import summary
from goodnet.data.errors import InputError
from goodnet.flags import running
from goodnet.pipeline.run import command
from goodnet.pipeline.run.output_files import make_folder, write_bytes
from goodnet.pipeline.run.progress import log

_RESULTS = "out/bench/zoo.csv"
_ROOT = str(Path(__file__).resolve().parent.parent.parent)

flags.adopt_module_key_flags(zoo_flags)
for _shared in (benchmark_flags.RESULTS, benchmark_flags.LIST, benchmark_flags.DATA_DIR, running.CACHE_DIR):
    flags.declare_key_flag(_shared.name)


def main(argv: Sequence[str]) -> int | None:
    """Runs the cells that have no row yet, and sums up; exit status 1 if some failed."""
    command.check_arguments(argv, most=0)
    draws = [draw(seed) for seed in parse_seeds(zoo_flags.SEEDS.value)]
    cache_dir = running.CACHE_DIR.value or os.path.join(command.default_cache_dir(), "zoo")
    if zoo_flags.PICTURES.value is not None:
        _pictures(draws, zoo_flags.PICTURES.value, cache_dir)
        return None
    methods = _methods(zoo_flags.METHODS.value)
    results = ZooRows(benchmark_flags.results_path(_RESULTS))
    if benchmark_flags.LIST.value:
        done = results.done()
        for one in draws:
            missing = [method for method in methods if cell_name(one.seed, _percent(), method) not in done]
            print(f"{'    ' if missing else 'done'}{one}")
        return None
    failed = _run(draws, methods, results, cache_dir)
    results.sum_up(summary, figure)
    return failed


def _methods(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in ZOO_NAMES:
            raise InputError(
                f"--methods={','.join(names)}: no method {name!r}; expected some of {', '.join(ZOO_NAMES)}"
            )
    return tuple(dict.fromkeys(names))


def _percent() -> float:
    return zoo_flags.CLEAN_PERCENT.value


def _pictures(draws: Sequence[Draw], path: str, cache_dir: str) -> None:
    if any(one.held_out for one in draws):
        raise InputError(
            f"--pictures={path}: held-out seeds are not looked into; expected --seeds below {HELD_OUT_FROM}"
        )

    @functools.cache
    def sets_of(dataset: str, faces_seed: int) -> Sets:
        return load_sets(next(one for one in draws if (one.dataset, one.faces_seed) == (dataset, faces_seed)),
                         benchmark_flags.DATA_DIR.value, cache_dir)  # fmt: skip

    make_folder(os.path.dirname(os.path.abspath(path)), "pictures")
    write_bytes(path, contact_sheet(draws, lambda one: sets_of(one.dataset, one.faces_seed)))
    print(path)


def _run(draws: Sequence[Draw], methods: Sequence[str], results: ZooRows, cache_dir: str) -> int:
    failures = 0
    for number, one in enumerate(draws, start=1):
        with held(os.path.join(cache_dir, "running", f"seed{one.seed}.lock")):
            done = results.done()
            missing = [method for method in methods if cell_name(one.seed, _percent(), method) not in done]
            if not missing:
                continue
            log.info("[%d/%d] %s", number, len(draws), one)
            job = {
                "seed": one.seed,
                "methods": missing,
                "percent": _percent(),
                "threads": zoo_flags.THREADS.value,
                "data_dir": benchmark_flags.DATA_DIR.value,
                "cache_dir": cache_dir,
                "results": results.path,
            }
            failures += _in_a_process(json.dumps(job)) != 0
    return min(failures, 1)


def _in_a_process(job: str) -> int:
    path = os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH"))))
    # -P: a folder that happens to be called `bench` where the user stands is not this package.
    return subprocess.run(
        [sys.executable, "-P", "-m", "bench.zoo.one_badnet", job],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        check=False,
    ).returncode


if __name__ == "__main__":
    command.run(main)
