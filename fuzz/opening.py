r"""Opens thousands of damaged and hostile files as the product does, and counts what they got.

    python -m fuzz.opening --inputs=20000 --out=fuzz.jsonl

Inputs are made of small valid ones by their number: the same numbers, the same inputs. Results go to --out, a line
each; a run that was interrupted goes on where it ended. Inputs that achieved what none may are kept beside it. The
exit status is 1 if there are any.

What differs from the product: reading processes are forked off one that has imported h5py, save for every
--start_anew-th input; and one process opens many inputs, one after the other.
"""

import argparse
import collections
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fuzz.corpus import Seed, make_corpus
from fuzz.mutations import Input, make_input
from fuzz.trials import Bench, Trial, bench


def fuzz(
    corpus: Sequence[Seed], where: Bench, seed: int, number: int, start_anew: int
) -> tuple[Input, Trial, dict[str, Any]]:
    """Makes and opens the input of a number; the last of what it returns is the line of the results."""
    case = make_input(corpus, seed, number)
    trial = where.run(case, start_anew=number % start_anew == 0)
    result = {
        "number": number, "seed": case.seed, "kind": case.kind, "mutation": case.mutation,
        **dataclasses.asdict(trial), "line": trial.line[-2000:],
    }  # fmt: skip
    return case, trial, result


def summary(results: Sequence[dict[str, Any]]) -> str:
    """The counts, by what the inputs were made of and by what was done to them."""
    lines = []
    for title, key in (("made of", "seed"), ("changed by", "mutation")):
        rows = collections.defaultdict(collections.Counter)  # type: ignore[var-annotated]
        for result in results:
            rows[result[key]][result["outcome"]] += 1
            rows[result[key]]["violations"] += bool(result["violations"])
        columns = ("inputs", "opened", "refused", "traceback", "hang", "crash", "violations")
        lines.append(f"{title:<26}" + "".join(f"{column:>11}" for column in columns))
        for name, count in [*sorted(rows.items()), ("all", sum(rows.values(), collections.Counter()))]:
            total = sum(number for outcome, number in count.items() if outcome != "violations")
            lines.append(f"{name:<26}{total:>11}" + "".join(f"{count[column]:>11}" for column in columns[1:]))
        lines.append("")
    slowest = max(results, key=lambda result: result["seconds"])
    largest = max(results, key=lambda result: result["memory"])
    lines.append(f"slowest: {slowest['seconds']:.1f} s (number {slowest['number']})")
    lines.append(f"most memory: {largest['memory'] / 2**20:.0f} MiB (number {largest['number']})")
    lines += [
        f"number {one['number']} ({one['seed']}, {one['mutation']}): {', '.join(one['violations'])}"
        for one in results
        if one["violations"]
    ]
    return "\n".join(lines)


def _keep(folder: Path, number: int, case: Input) -> None:
    for name, content in case.files.items():
        path = folder / str(number) / name if name else folder / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _earlier_results(path: Path) -> list[dict[str, Any]]:
    """The whole lines of an interrupted run; half of a last one is cut off."""
    if not path.exists():
        return []
    lines = path.read_text().split("\n")
    path.write_text("".join(line + "\n" for line in lines[:-1]))
    return [json.loads(line) for line in lines[:-1]]


def main() -> int:
    """Runs the inputs that are still to be run and prints the counts."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--inputs", type=int, default=20_000)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--start_anew", type=int, default=20)
    arguments.add_argument("--out", type=Path, default=Path("fuzz.jsonl"))
    given = arguments.parse_args()
    results = _earlier_results(given.out)
    done = {result["number"] for result in results}
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, bench() as where, open(given.out, "a") as out:
        corpus = make_corpus(folder)
        for number in range(given.inputs):
            if number in done:
                continue
            case, trial, result = fuzz(corpus, where, given.seed, number, given.start_anew)
            results.append(result)
            out.write(json.dumps(result) + "\n")
            out.flush()
            if trial.violations:
                print(f"number {number}: {', '.join(trial.violations)}", file=sys.stderr)
                _keep(given.out.with_suffix(".kept"), number, case)
            if (number + 1) % 500 == 0:
                rate = (time.monotonic() - begun) / max(1, len(results) - len(done))
                print(f"{number + 1} of {given.inputs}, {rate:.3f} s an input", file=sys.stderr)
    print(summary(results))
    return int(any(result["violations"] for result in results))


if __name__ == "__main__":
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    sys.exit(main())
