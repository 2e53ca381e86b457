"""Which networks open, and whether what opens answers as Keras does: a table in Markdown.

    python -m bench.models
    python -m bench.models --only="MobileNet|ViT"

    python -m bench.models --repair --export

A row is kept in --results as soon as it is there, and not made again. Every network of `bench.model_cases` is built by
both versions of Keras with random weights, saved as HDF5 and as `.keras` in a temporary folder, and opened as a
suspect. It needs no data.

With --repair half of the channels that pruning may close are closed and taken out, which must change nothing else, and
one step of training follows. Where nothing can be closed, a repair unlearns without pruning. With --export the network
is converted to int8 TFLite, and the share of noise images that get the same class is told.
"""

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from absl import flags

from bench import benchmark_flags
from bench.markdown import markdown
from bench.model_cases import MODEL_CASES, ModelCase
from bench.model_trials import exported, noise, repaired
from bench.row_file import Row as KeptRow
from bench.row_file import RowFile
from goodnet.data.errors import InputError
from goodnet.models.classifier import classifier_facts
from goodnet.models.legacy_keras import keras as keras_2
from goodnet.models.loading.opening import open_model
from goodnet.pipeline.run import command

# After legacy_keras, which decides what tf.keras is.
import keras as keras_3  # isort: skip

_ONLY = flags.DEFINE_string("only", "", "A regular expression: only the networks whose names it finds.")
_FORMATS = flags.DEFINE_list("formats", ["h5", "keras"], "The endings of the files.")
_REPAIR = flags.DEFINE_bool("repair", False, "Prune what opens, and train one step.")
_EXPORT = flags.DEFINE_bool("export", False, "Convert what opens to TFLite, and compare.")
flags.declare_key_flag(benchmark_flags.RESULTS.name)
_MODULES = {2: keras_2, 3: keras_3}
_TOLERANCE = 1e-4
# Large networks are saved in one format by each version.
_OWN_FORMAT = {2: "h5", 3: "keras"}
_ANY_SIZE = (32, 32, 3)


@dataclass(frozen=True)
class Row:
    """What became of one file.

    Attributes:
        opens: whether it opens.
        difference: the largest between what it answers and what Keras does, relative to the largest answer; None where
            it does not open.
        note: why not.
        repairs: what became of a repair.
        exports: what became of an export.
    """

    opens: bool
    difference: float | None = None
    note: str = ""
    repairs: str = ""
    exports: str = ""


def tried(model: Any, folder: str, ending: str) -> Row:
    """Saves a network, opens the file, and compares the answers."""
    path = os.path.join(folder, f"model.{ending}")
    try:
        model.save(path)
    except Exception as error:  # Keras raises whatever it makes of a model that it can't write.
        return Row(False, None, f"Keras can't write it ({' '.join(str(error).split())[:60]})")
    try:
        opened = open_model(path, image_shape=_ANY_SIZE)
        classifier_facts(opened)
    except InputError as error:
        return Row(False, None, str(error).removeprefix(f"{path}: "))
    finally:
        os.remove(path)
    images = noise(opened.input_shape[1:])
    ends_in = getattr(getattr(model.layers[-1], "activation", None), "__name__", None)
    expected = as_classes(model.predict(_as_asked(images, model), verbose=0), ends_in == "linear")
    actual = opened.predict(images, verbose=0)
    if actual.shape != expected.shape:
        return Row(True, None, f"answers {actual.shape[1:]}, Keras' {expected.shape[1:]}")
    return Row(
        True,
        max(map(_difference, actual, expected)),
        repairs=repaired(opened) if _REPAIR.value else "",
        exports=exported(opened, folder) if _EXPORT.value else "",
    )


def _difference(actual: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(actual - expected).max() / max(np.abs(expected).max(), 1e-30))


def randomise(model: Any) -> None:
    """Gives a network statistics and scales that no fresh network has, so that each of its weights matters."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        name = getattr(weight, "path", weight.name)
        if re.search("moving_variance|gamma", name):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif re.search("moving_mean|beta|bias", name):
            weight.assign(rng.normal(0, 0.1, weight.shape))


def _as_asked(images: np.ndarray, model: Any) -> np.ndarray:
    """Images in the layout that the file's model takes."""
    asked = model.input_shape[1:]
    if len(asked) == 2:
        return images[..., 0]
    return images.transpose(0, 3, 1, 2) if asked[0] == images.shape[3] and asked[2] != asked[0] else images


def as_classes(outputs: np.ndarray, logits: bool) -> np.ndarray:
    """What a file's model gives, as probabilities of classes, or logits."""
    if outputs.shape[1] == 1:
        return np.concatenate([np.zeros_like(outputs) if logits else 1 - outputs, outputs], axis=1)
    sums = outputs.sum(axis=1)
    if outputs.min() < 0 or outputs.max() > 1 or np.allclose(sums, 1, atol=1e-3):
        return outputs
    odds = outputs.astype(np.float64) / (1 - outputs.astype(np.float64)).clip(1e-12)
    return odds / odds.sum(axis=1, keepdims=True)


def _row(name: str, version: int, case: ModelCase) -> dict[str, str]:
    module = _MODULES[version]
    module.utils.set_random_seed(0)
    module.backend.clear_session()
    model = case.build(module)
    randomise(model)
    endings = [_OWN_FORMAT[version]] if case.large else _FORMATS.value
    with tempfile.TemporaryDirectory(prefix="goodnet-models-") as folder:
        rows = {ending: tried(model, folder, ending) for ending in endings}
    done = next((row for row in rows.values() if row.opens), Row(False))
    opened = [ending for ending, row in rows.items() if row.opens]
    differences = [row.difference for row in rows.values() if row.difference is not None]
    answers = max(differences, default=None) if len(differences) == len(opened) else float("inf")
    return {
        "row": _row_name(name, version),
        "kind": case.group,
        "network": name,
        "Keras": str(version),
        "opens": "no" if not opened else "yes" if len(opened) == 2 else f"yes (.{opened[0]})",
        f"equal to {_TOLERANCE:g}": "" if answers is None else "yes" if answers <= _TOLERANCE else f"{answers:.1g}",
        "repairs": done.repairs,
        "same class in int8": done.exports,
        "note": "; ".join(dict.fromkeys(row.note for row in rows.values() if row.note)),
    }


_COLUMNS = (
    "row", "kind", "network", "Keras", "opens", f"equal to {_TOLERANCE:g}", "repairs", "same class in int8", "note"
)  # fmt: skip


def _row_name(name: str, version: int) -> str:
    return f"{name}, Keras {version}"


def summary(rows: Sequence[KeptRow]) -> str:
    """The rows for people, in the networks' order."""
    order = list(MODEL_CASES)
    ordered = sorted(rows, key=lambda row: (order.index(row["network"]), row["Keras"]))
    return markdown([_COLUMNS[2:], *([row[column].replace("|", "\\|") for column in _COLUMNS[2:]] for row in ordered)])


def main(argv: Sequence[str]) -> None:
    """Makes the rows that are missing, and prints the table."""
    command.check_arguments(argv, most=0)
    chosen = benchmark_flags.names_matching(list(MODEL_CASES), _ONLY.value, _ONLY.name)
    name = "models" + "_repaired" * _REPAIR.value + "_exported" * _EXPORT.value
    rows = RowFile(benchmark_flags.results_path(os.path.join("out", f"{name}.csv")), _COLUMNS)
    for name, case in MODEL_CASES.items():
        for version in case.versions if name in chosen else ():
            if _row_name(name, version) not in rows.done():
                rows.add(_row(name, version, case))
                print("; ".join(rows.rows()[-1].values()), flush=True)
    rows.sum_up(summary)


if __name__ == "__main__":
    command.run(main)
