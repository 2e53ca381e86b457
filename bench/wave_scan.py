"""To which labels waves lead most images, in every BadNet of the benchmark: what the thresholds of waves rest on.

    python -m bench.wave_scan --gtsrb_dir=FOLDER --cells='^gtsrb/vgg/'

Scans the BadNets of seed 0 that are in --cache_dir with the fit images of 5 % clean data, as `full` does, and prints
the three labels that are most given to waves, and those that are given to narrowband waves. Targets are marked.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace

from absl import flags

from bench.cells import Workshop
from bench.grid import BadNet, all_cells, chosen_cells
from data.errors import InputError
from data.opening import open_image_set
from data.splits import split_clean
from data.triggers.catalogue import parse_attack
from flags import benchmarking, running
from models.input_scale import DEFAULT_SCALES
from models.legacy_keras import keras
from pipeline import command
from pipeline.inversion.narrowband import NarrowbandSettings, find_narrowband_waves
from pipeline.inversion.waves import InvertedWave, WaveSettings, find_waves
from pipeline.suspect import open_suspect

flags.adopt_module_key_flags(benchmarking)
flags.declare_key_flag(running.CACHE_DIR.name)

_PERCENT = 5
_SHOWN = 3


def main(argv: Sequence[str]) -> None:
    """Prints a line a BadNet."""
    command.check_arguments(argv, most=0)
    workshop = Workshop.from_flags()
    cells = [cell for cell in all_cells() if cell.percent == _PERCENT and cell.badnet.seed == 0]
    badnets = dict.fromkeys(cell.badnet for cell in chosen_cells(cells, benchmarking.CELLS.value))
    cached = [badnet for badnet in badnets if workshop.has_badnet(badnet)]
    if not cached:
        raise InputError(f"{workshop.cache_dir}: none of these BadNets is there; expected bench.defenses to make them")
    for badnet in cached:
        print(described(badnet.name, _targets(workshop, badnet), *_waves(workshop, badnet)), flush=True)
        keras.backend.clear_session()


def described(
    name: str, targets: Collection[int | None], waves: Sequence[InvertedWave], narrowband: Sequence[InvertedWave]
) -> str:
    """One line: the labels, most given to waves first, then those of narrowband waves; targets with a star."""

    def marked(wave: InvertedWave) -> str:
        return f"{wave.label}{'*' if wave.label in targets else ''}"

    most = ", ".join(f"{marked(wave)} {100 * wave.success:.0f} %" for wave in waves[:_SHOWN])
    strong = ", ".join(f"{marked(wave)} at {wave.amplitude:.0f} grey levels" for wave in narrowband)
    return f"{name}: {most}" + (f"; narrowband: {strong}" if strong else "")


def _targets(workshop: Workshop, badnet: BadNet) -> set[int | None]:
    with open(workshop.attack_file(badnet)) as file:
        triggers = json.load(file)["settings"]["triggers"]
    return {parse_attack(text).target_label for text in triggers if text}


def _waves(workshop: Workshop, badnet: BadNet) -> tuple[tuple[InvertedWave, ...], tuple[InvertedWave, ...]]:
    fit = split_clean(open_image_set(workshop.clean_file(badnet, _PERCENT)), badnet.seed).fit
    suspect = open_suspect(workshop.model_file(badnet), fit, DEFAULT_SCALES)
    searched, settings = (suspect.model, fit, suspect.scale.chosen), WaveSettings(seed=badnet.seed)
    # What fails counts here as well.
    waves = find_waves(*searched, replace(settings, success=0.0, waves=1))
    return waves, find_narrowband_waves(*searched, settings, NarrowbandSettings())


if __name__ == "__main__":
    command.run(main)
