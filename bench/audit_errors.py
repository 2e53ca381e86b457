r"""Counts how often `pipeline.audit` is wrong: small models of known truth, made by seed and audited with its defaults.

    python -m bench.audit_errors --gtsrb_dir=gtsrb --clean_models=30 --patch_models=40 --blended_models=10

A row a model goes to --results; a run that was interrupted goes on with the first model that has none. Models whose
accuracy or attack is too weak are counted apart, so ask for a few more than are to be counted. Without --gtsrb_dir the
models see drawn signs and faces only.
"""

from collections.abc import Sequence

from absl import flags

from bench.audit_cases import BLENDED, CLEAN, FACES, GTSRB, PATCH, SHAPES, Case, draw_case
from bench.audit_table import error_table
from bench.audit_trials import COLUMNS, run_trial
from bench.row_file import RowFile
from flags import benchmarking
from pipeline import command
from pipeline.progress import log
from pipeline.training.devices import select_devices

AUDITS = flags.DEFINE_string("audits", "out/bench/audit_errors.csv", "One row a model; those that have one are kept.")
CLEAN_MODELS = flags.DEFINE_integer("clean_models", 30, "Clean models to audit.", lower_bound=0)
PATCH_MODELS = flags.DEFINE_integer("patch_models", 40, "BadNets with patches to audit.", lower_bound=0)
BLENDED_MODELS = flags.DEFINE_integer("blended_models", 10, "BadNets with blended patterns to audit.", lower_bound=0)
FIRST_SEED = flags.DEFINE_integer(
    "first_seed", 0, "Of each kind's models; 100 to 142 and 9000 up were tuned on.", lower_bound=0
)
CLEAN_IMAGES = flags.DEFINE_integer(
    "clean_images", 0, "Clean images that an audit gets; 0: all there are.", lower_bound=0
)
flags.declare_key_flag(benchmarking.GTSRB_DIR.name)


def main(argv: Sequence[str]) -> None:
    """Audits the models that have no row yet, and prints the table."""
    command.check_arguments(argv, most=0)
    gtsrb_dir = benchmarking.GTSRB_DIR.value
    datasets = (SHAPES, FACES) if gtsrb_dir is None else (GTSRB, SHAPES, FACES)
    counts = {PATCH: PATCH_MODELS.value, CLEAN: CLEAN_MODELS.value, BLENDED: BLENDED_MODELS.value}
    results = RowFile(AUDITS.value, COLUMNS)
    devices = select_devices("cpu")
    for case in _in_turns(counts, datasets):
        if case.name not in results.done():
            row = run_trial(case, CLEAN_IMAGES.value, gtsrb_dir, devices)
            results.add(row)
            log.info("%s (%s, %s): %s; %s", case.name, case.dataset, case.network, row["outcome"], row["reason"])
    print(error_table(results.rows()))


def _in_turns(counts: dict[str, int], datasets: tuple[str, ...]) -> list[Case]:
    """The cases such that every kind is done to the same share at any time."""
    places = [((number + 0.5) / count, kind, number) for kind, count in counts.items() for number in range(count)]
    return [draw_case(kind, FIRST_SEED.value + number, datasets) for _, kind, number in sorted(places)]


if __name__ == "__main__":
    command.run(main)
