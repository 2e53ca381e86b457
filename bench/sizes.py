"""What the commands cost on networks of the sizes that people have: a table in Markdown.

    python -m bench.sizes
    python -m bench.sizes --only="MobileNetV2, 96" --commands=repair,export

Builds networks of transfer learning in Keras 3 (`bench.transfer_learning`) and a set of 100 images, and runs each
command as a user types it, in processes of its own. A row is kept in --results as soon as it is measured, and not
measured again. The machine's load stands in each row: on a busy machine wall times say little, and the processor's
seconds more.
"""

import os
import sys
import tempfile
from collections.abc import Sequence

import h5py
from absl import flags
from PIL import Image

from bench import benchmark_flags
from bench.markdown import markdown
from bench.process_costs import Costs, costs_of
from bench.row_file import Row, RowFile
from bench.transfer_learning import TransferNetwork, write_patterns
from goodnet.pipeline.run import command

_RESULTS = os.path.join("out", "sizes.csv")
_ONLY = flags.DEFINE_string("only", "", "A regular expression: only the networks whose names it finds.")
_KNOWN = ("open", "audit", "repair", "export", "detect")
_COMMANDS = flags.DEFINE_list("commands", ["open", "repair", "export", "detect"], "What to measure; audit too.")
flags.register_validator("commands", lambda names: set(names) <= set(_KNOWN), f"expected some of {', '.join(_KNOWN)}")
_IMAGES = flags.DEFINE_integer("images", 100, "How many clean images.", lower_bound=50)
_LONGEST = flags.DEFINE_float("longest", 900, "Seconds after which a command is stopped, and its row says so.")
flags.declare_key_flag(benchmark_flags.RESULTS.name)

NETWORKS = (
    TransferNetwork("MobileNetV2", 96),
    TransferNetwork("EfficientNetB0", 96, "efficientnet"),
    TransferNetwork("MobileNetV2", 224),
    TransferNetwork("EfficientNetB0", 224, "efficientnet"),
    TransferNetwork("ResNet50", 224, "resnet50"),
)
_COLUMNS = (
    "row",
    "network",
    "command",
    "became",
    "seconds",
    "processor_seconds",
    "largest_mib",
    "together_mib",
    "load",
)
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OPEN = "import sys; from goodnet.models.loading.opening import open_model; open_model(sys.argv[1])"
# Takes the place of the runtime that comes first where both are installed.
_SECOND_RUNTIME = (
    "import sys; sys.modules['ai_edge_litert'] = None; from goodnet.export.detect import main; sys.exit(main())"
)
_DETECT_IMAGES = 20


def commands(model: str, clean: str, folder: str) -> dict[str, list[list[str]]]:
    """Arguments of Python by what is measured; of those that need an earlier command's files, after it."""
    out, pictures = os.path.join(folder, "out"), os.path.join(folder, "pictures")
    data = f"--clean_data={clean}"
    epochs = ["--pruning_epochs=1", "--fine_tuning_epochs=1"]
    detector = os.path.join(out, "detector")
    detect = [f"--model={detector}.tflite", "--benchmark", pictures]
    return {
        "open": [["-c", _OPEN, model]],
        "audit": [["-m", "pipeline.audit", model, data, f"--out_dir={os.path.join(folder, 'audit')}"]],
        "repair": [["-m", "pipeline.repair", model, data, f"--out_dir={out}", "--method=fine-pruning", *epochs]],
        "export": [["-m", "pipeline.export", f"--model={detector}.keras", data, f"--output={detector}_again.tflite"]],
        "detect": [["-m", "export.detect", *detect], ["-c", _SECOND_RUNTIME, *detect]],
    }


def measure(network: TransferNetwork, rows: RowFile) -> None:
    """Measures what of a network has no row yet."""
    wanted = [name for name in _COMMANDS.value if f"{network.name}: {name}" not in rows.done()]
    if not wanted:
        return
    with tempfile.TemporaryDirectory(prefix="goodnet-sizes-") as folder:
        model = os.path.join(folder, "model.keras")
        network.save(model)
        clean = write_patterns(folder, _IMAGES.value, network.size, seed=7)
        _write_pictures(os.path.join(folder, "pictures"), clean)
        every = commands(model, clean, folder)
        # What reads a run's files needs the run.
        needed = ["repair", *wanted] if {"export", "detect"} & set(wanted) else wanted
        for name in sorted(set(needed), key=list(every).index):
            for number, arguments in enumerate(every[name]):
                row = f"{network.name}: {name}" + number * " (other runtime)"
                log = os.path.join(folder, "log")
                load = os.getloadavg()[0]
                costs = costs_of([sys.executable, *arguments], log, _environment(), _LONGEST.value)
                with open(log, errors="replace") as file:
                    said = file.read().splitlines()
                rows.add(_row(row, network, name, costs, said, load))
                print(f"{row}: {rows.rows()[-1]['became']}", flush=True)


def _row(row: str, network: TransferNetwork, name: str, costs: Costs, said: Sequence[str], load: float) -> Row:
    if costs.status is None:
        became = f"stopped after {_LONGEST.value:.0f} s"
    elif costs.status:
        became = next((line for line in reversed(said) if line.startswith("error: ")), f"exit status {costs.status}")
    else:
        became = next((line.removeprefix("detect: ") for line in said if "benchmark: " in line), "done")
    return {
        "row": row,
        "network": network.name,
        "command": name,
        "became": became,
        "seconds": f"{costs.seconds:.1f}",
        "processor_seconds": f"{costs.processor_seconds:.1f}",
        "largest_mib": str(costs.largest_mib),
        "together_mib": str(costs.together_mib),
        "load": f"{load:.1f}",
    }


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}


def _write_pictures(folder: str, clean: str) -> None:
    os.mkdir(folder)
    with h5py.File(clean, "r") as file:
        images = file["data"][:_DETECT_IMAGES].transpose(0, 2, 3, 1)
    for number, image in enumerate(images):
        Image.fromarray(image).save(os.path.join(folder, f"{number:02}.png"))


def summary(rows: Sequence[Row]) -> str:
    """The rows for people."""
    head = ["network", "command", "wall s", "processor s", "MiB, largest process", "MiB, together", "load", "became"]
    table = [[row[column] for column in ("network", "command", *_COLUMNS[4:], "became")] for row in rows]
    return markdown([head, *table])


def main(argv: Sequence[str]) -> None:
    """Measures, and prints the table."""
    command.check_arguments(argv, most=0)
    chosen = benchmark_flags.names_matching([network.name for network in NETWORKS], _ONLY.value, _ONLY.name)
    rows = RowFile(benchmark_flags.results_path(_RESULTS), _COLUMNS)
    for network in NETWORKS:
        if network.name in chosen:
            measure(network, rows)
    rows.sum_up(summary)


if __name__ == "__main__":
    command.run(main)
