r"""What a detector costs on the device, and whether it answers there as in Keras: ratios from one run.

    python -m bench.edge --list
    python -m bench.edge --runs=out/make
    python -m bench.edge --data_dir=DATA --cells='signs, DeepID|CSAW'

For each case the unprotected suspect and its detectors are converted in several precisions. Each installed runtime (L:
ai-edge-litert, T: tflite-runtime) runs all files in one process, one thread, by turns; the processor time of the
quickest run counts (`export.interleaved`), and the unprotected float32 suspect in the same runtime is 1. Labels are
compared with those of the Keras model that the file was made of, on clean test images, on the same ones stamped at
random (`export.disagreements`) and, for reporting only, on poisoned ones.

A case is the --out_dir of a repair (--runs), or a recipe (--list): the zoo's development BadNets, CSAW's five, and
`bench.large_nets`. In recipes a partly tuned copy of the suspect stands in for its repair: what is measured does not
depend on how well it is repaired. Trained networks are kept in --cache_dir.
"""

import functools
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from absl import flags

from bench import benchmark_flags
from bench.edge_cases import CASES, EdgeCase, Sources, case_of_run
from bench.markdown import markdown
from goodnet.export.conversion import convert_classifier, convert_detector
from goodnet.export.device_process import PixelFile
from goodnet.export.disagreements import stamped
from goodnet.export.precisions import PRECISIONS
from goodnet.export.runtime import RUNTIMES
from goodnet.flags import running
from goodnet.models.legacy_keras import keras
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.run import command

_RUNS = flags.DEFINE_list("runs", [], "The --out_dir of repairs to measure, too.")
_PRECISIONS = flags.DEFINE_list("precisions", list(PRECISIONS), "What detectors are converted to.")
flags.register_validator(
    "precisions", lambda names: set(names) <= set(PRECISIONS), f"expected some of {', '.join(PRECISIONS)}"
)
_IMAGES = flags.DEFINE_integer("images", 200, "Images of each kind that labels are compared on.", lower_bound=1)
for _shared in (benchmark_flags.CELLS, benchmark_flags.LIST, benchmark_flags.DATA_DIR, running.CACHE_DIR):
    flags.declare_key_flag(_shared.name)

_SHORT = dict(zip(RUNTIMES, "LT", strict=True))
_BATCH = 50
# What calibrates a file; the pipeline takes as many.
_REPRESENTATIVE = 200

Labels = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class File:
    """One way to put a network on the device: its contents, and the labels of the Keras model that it was made of."""

    name: str
    tflite: bytes
    labels: Labels


def files_of(case: EdgeCase, precisions: Sequence[str]) -> Iterator[File]:
    """The suspect in float32, which is the unit, and in int8; then each detector in each of some precisions."""
    drawn = np.random.default_rng(0).permutation(len(case.clean))[:_REPRESENTATIVE]
    images = list(case.clean.images(np.sort(drawn)))
    suspect = ScaledNetwork(case.suspect, case.scale)
    for precision in ("float32", "int8"):
        tflite = convert_classifier(case.suspect, case.scale, images, precision)
        yield File(f"suspect, {precision}", tflite, suspect.classes)
    for name, detector in case.detectors.items():
        labels = functools.partial(_detector_labels, detector)
        for precision in precisions:
            yield File(f"{name}, {precision}", convert_detector(detector, images, precision), labels)


def _detector_labels(detector: keras.Model, images: np.ndarray) -> np.ndarray:
    return np.argmax(detector.predict(images.astype(np.float32), batch_size=_BATCH, verbose=0), axis=1)


def images_of(case: EdgeCase, count: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Images uint8 [n, H, W, C] by kind, and the labels of the clean ones."""
    rng = np.random.default_rng(0)
    places = np.sort(rng.permutation(len(case.test))[:count])
    clean = case.test.images(places)
    found = {"clean": clean, "stamped": stamped(clean, rng)}
    if case.poisoned is not None:
        found["poisoned"] = case.poisoned.images(np.sort(rng.permutation(len(case.poisoned))[:count]))
    return found, case.test.labels[places]


def measured(case: EdgeCase, count: int, precisions: Sequence[str] = PRECISIONS) -> tuple[list[list[str]], str]:
    """A table of the case, head first, and what its unit and images are."""
    kinds, labels = images_of(case, count)
    files = list(files_of(case, precisions))
    images = np.concatenate(list(kinds.values()))
    part = np.repeat(np.arange(len(kinds)), [len(some) for some in kinds.values()])
    in_keras: dict[Labels, np.ndarray] = {}
    for file in files:
        if file.labels not in in_keras:
            in_keras[file.labels] = np.concatenate(
                [file.labels(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)]
            )
    found = {runtime: _on_device(files, images, runtime) for runtime in RUNTIMES}
    unit = {runtime: times[0] for runtime, (times, _) in found.items()}
    head = ["file", *(f"latency {_SHORT[runtime]}" for runtime in RUNTIMES), "size"]
    head += [f"{kind} {_SHORT[runtime]}" for kind in kinds for runtime in RUNTIMES]
    table = [[*head, "accuracy"]]
    for number, file in enumerate(files):
        expected = in_keras[file.labels]
        row = [file.name, *(f"{found[runtime][0][number] / unit[runtime]:.2f}" for runtime in RUNTIMES)]
        row.append(f"{len(file.tflite) / len(files[0].tflite):.2f}")
        answers = {runtime: found[runtime][1][number] for runtime in RUNTIMES}
        for kind in range(len(kinds)):
            for runtime in RUNTIMES:
                same = (answers[runtime] == expected)[part == kind]
                row.append(f"{100 * same.mean():.1f}")
        right = [np.mean(given[part == 0] == labels) for given in (answers[RUNTIMES[0]], expected)]
        table.append([*row, f"{100 * (right[0] - right[1]):+.1f}"])
    milliseconds = ", ".join(f"{unit[runtime]:.3f} ms in {_SHORT[runtime]}" for runtime in RUNTIMES)
    unit_size = f"{len(files[0].tflite) / 1024:.0f} KiB"
    return table, f"{case.note}; the unit is {milliseconds} and {unit_size}; {len(kinds['clean'])} images of a kind"


def _on_device(files: Sequence[File], images: np.ndarray, runtime: str) -> tuple[list[float], list[np.ndarray]]:
    """Milliseconds an image and labels, int32 [n], of each file."""
    with tempfile.TemporaryDirectory(prefix="edge") as folder, PixelFile(images.shape[1:]) as pixels:
        pixels.write(images)
        paths = [os.path.join(folder, f"{number}.tflite") for number in range(len(files))]
        for path, file in zip(paths, files, strict=True):
            with open(path, "wb") as written:
                written.write(file.tflite)
        labels = [pixels.answers(path, runtime, allow_missing_card=True)["label"] for path in paths]
        return pixels.milliseconds(paths, runtime), labels


def main(argv: Sequence[str]) -> None:
    """Prints a table for each case."""
    command.check_arguments(argv, most=0)
    cells = benchmark_flags.CELLS.value
    names = [] if _RUNS.value and not cells else benchmark_flags.names_matching(list(CASES), cells)
    cache_dir = running.CACHE_DIR.value or os.path.join(command.default_cache_dir(), "edge")
    sources = Sources(benchmark_flags.DATA_DIR.value, cache_dir)
    makers: Mapping[str, Callable[[], EdgeCase]] = {
        **{folder: functools.partial(case_of_run, folder) for folder in _RUNS.value},
        **{name: functools.partial(CASES[name], sources) for name in names},
    }
    if benchmark_flags.LIST.value:
        print("\n".join(makers))
        return
    for name, make in makers.items():
        table, note = measured(make(), _IMAGES.value, _PRECISIONS.value)
        print(f"\n**{name}**: {note}.\n\n{markdown(table)}", flush=True)


if __name__ == "__main__":
    command.run(main)
