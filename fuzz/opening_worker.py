"""Opens one input after the other as the product does, and watches what Python does meanwhile.

A model is read here, where it can be watched, and not in the limited process that the product reads it in: what would
be a line there whatever it was, is a traceback here.

A request is a line of JSON on standard input, {"path", "kind", "start"}; `start` is the interpreter that reading
processes are started with. The answer is a line of JSON: {"outcome": "opened" or "refused" or "traceback", "line",
"seen", "children"}; `seen` are actions that opening a file has no business with, `children` the peak memory of
reading processes that were started, in bytes.
"""

import contextlib
import json
import logging
import os
import pathlib
import resource
import sys
import tempfile
import traceback
from typing import Any

import absl.logging
import numpy as np

from fuzz.corpus import DATA, PROGRAM
from fuzz.reader_forks import MODULES
from goodnet.data.errors import InputError
from goodnet.data.image_set import from_arrays
from goodnet.data.opening import open_image_set
from goodnet.models.classifier import classifier_facts
from goodnet.models.input_scale_search import find_input_scale
from goodnet.models.legacy_keras import keras
from goodnet.models.loading.building import build_model
from goodnet.models.loading.canonical_config import canonical_config
from goodnet.models.loading.config_reading import read_config
from goodnet.models.loading.model_reading import read_model

_FORBIDDEN = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.rename", "os.symlink", "os.chmod",
    "pickle.find_class", "socket.connect", "socket.bind", "urllib.Request", "webbrowser.open", "ctypes.dlopen",
    "shutil.rmtree",
)  # fmt: skip
_MOST_IMAGES = 4096
_LARGEST_RUN = 2**22
_seen: list[str] = []


def _watch(event: str, args: tuple[Any, ...]) -> None:
    """An audit hook: notes what opening a file must not do."""
    if event == "open":
        path, _, flags = args
        is_written = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        allowed = (tempfile.gettempdir(), os.devnull)
        if is_written and not isinstance(path, int) and not os.fsdecode(path).startswith(allowed):
            _seen.append(f"open {path!r} for writing")
    elif event == "subprocess.Popen":
        if list(args[1])[1:2] != ["-m"] or list(args[1])[2] not in MODULES:
            _seen.append(f"subprocess {args[1]!r}")
    elif event == "marshal.loads" and "importlib" not in sys._getframe(1).f_code.co_filename:
        _seen.append("marshal.loads")
    elif event in _FORBIDDEN:
        _seen.append(f"{event} {args!r}"[:200])


def _open(path: str, kind: str) -> None:
    """Opens an input, and uses what came out of it for the first time."""
    if kind == PROGRAM:
        exec(compile(pathlib.Path(path).read_bytes(), path, "exec"), {})
        return
    if kind == DATA:
        image_set = open_image_set(path)
        for _ in image_set.batches(256, np.arange(min(len(image_set), _MOST_IMAGES))):
            pass
        return
    with open(path, "rb") as file:
        network = read_model(file)
    # What the product builds of what comes back from that process.
    config = json.loads(json.dumps(canonical_config(network.spec)))
    model = build_model(read_config(config), network.weights)
    facts = classifier_facts(model)
    if np.prod(facts.image_shape) <= _LARGEST_RUN and model.count_params() <= _LARGEST_RUN:
        _search_scale(model)


def _search_scale(model: keras.Model) -> None:
    """The first time in a process, TensorFlow leaves a temporary file of the search's own code."""
    facts = classifier_facts(model)
    pixels = np.random.default_rng(0).integers(0, 256, (12, *facts.image_shape), dtype=np.uint8)
    with contextlib.suppress(InputError):  # It is at chance on noise, as it should be.
        find_input_scale(model, from_arrays("noise", pixels, np.arange(12) % facts.classes))


def _outcome(request: dict[str, str]) -> dict[str, Any]:
    sys.executable = request["start"]
    _seen.clear()
    outcome, line = "opened", ""
    try:
        _open(request["path"], request["kind"])
    except InputError as error:
        outcome, line = "refused", str(error)
    except BaseException:
        outcome, line = "traceback", traceback.format_exc()
    keras.backend.clear_session()
    children = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"outcome": outcome, "line": line, "seen": _seen, "children": children}


def main() -> None:
    """Answers requests until there are no more."""
    logging.getLogger().setLevel(logging.ERROR)
    absl.logging.set_verbosity(absl.logging.ERROR)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _search_scale(keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]))
    print("ready", file=answers, flush=True)
    sys.addaudithook(_watch)
    for request in sys.stdin:
        print(json.dumps(_outcome(json.loads(request))), file=answers, flush=True)


if __name__ == "__main__":
    main()
