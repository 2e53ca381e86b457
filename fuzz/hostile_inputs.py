"""Hostile inputs by class, and what each gets: the table of docs/hostile-input.md.

python -m fuzz.hostile_inputs            # prints the table
python -m fuzz.hostile_inputs --write    # puts it into the page
"""

import argparse
import io
import json
import os
import pickle
import re
import stat
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

from goodnet.data.errors import InputError
from goodnet.data.image_set import from_arrays
from goodnet.data.opening import open_image_set
from goodnet.models.classifier import check_fits, classifier_facts
from goodnet.models.legacy_keras import keras
from goodnet.models.loading import op_rules
from goodnet.models.loading.opening import open_model

PAGE = Path(__file__).parent.parent / "docs" / "hostile-input.md"
BEGIN, END = "<!-- made by fuzz.hostile_inputs: begin -->\n", "<!-- end -->\n"
L = keras.layers
_BOMB = "3 MB that inflate to 3 GB in one chunk"
_Change = Callable[[Any], Any]
# Given a group, what was stored under a name, and the name: stores something else there.
_Put = Callable[[h5py.Group, np.ndarray, str], Any]


@dataclass(frozen=True)
class Case:
    """One hostile input.

    Attributes:
        group: its class.
        what: what is wrong with it.
        make: writes it into a folder and returns its path.
        is_model: whether it is opened as a model, or as an image set.
    """

    group: str
    what: str
    make: Callable[[Path], Path]
    is_model: bool = True


def table() -> str:
    """Makes and opens every input; a Markdown table."""
    lines = ["| class | input | what it gets |", "|---|---|---|"]
    for case in _cases():
        with tempfile.TemporaryDirectory() as folder:
            before = Path(folder, "canary")
            path = case.make(Path(folder))
            line = _outcome(case, str(path)).replace(f"{path}", path.name).replace(folder, "")
            if case.what == _BOMB:  # Which of the two comes first depends on the machine.
                line = re.sub(r"\(.*\)", "(out of memory or of time)", line)
            if before.exists():
                raise AssertionError(f"{case.what}: it was executed")
        lines.append(f"| {case.group} | {case.what} | {line.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def _outcome(case: Case, path: str) -> str:
    try:
        if not case.is_model:
            return f"opened: {len(open_image_set(path).images())} images"
        model = open_model(path)
        check_fits(classifier_facts(model), from_arrays("clean", np.zeros((3, 8, 8, 3), np.uint8), np.arange(3)))
        return "opened: nothing of it is looked at"
    except InputError as error:
        return str(error)


def _h5(change: _Change, whole: bool = True) -> Callable[[Path], Path]:
    """A model in HDF5 of Keras 2, after a change of the open file."""

    def make(folder: Path) -> Path:
        path = folder / "model.h5"
        _chain().save(path) if whole else _chain().save_weights(path)
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return make


def _config(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Path]:
    """A model whose configuration was changed; `change` is given the layers by name, and "model"."""

    def change_file(file: h5py.File) -> None:
        config = json.loads(file.attrs["model_config"])
        layers = {entry["config"]["name"]: entry for entry in config["config"]["layers"]}
        change({**layers, "model": config})
        file.attrs["model_config"] = json.dumps(config)

    return _h5(change_file)


def _then(function: str, **arguments: Any) -> Callable[[Path], Path]:
    """A model after whose last layer a function is called."""

    def change(at: dict[str, Any]) -> None:
        kind = "SlicingOpLambda" if function == op_rules.GET_ITEM else "TFOpLambda"
        entry = {"class_name": kind, "name": "out", "config": {"name": "out", "function": function}}
        node = ["fc", 0, 0, arguments]
        at["model"]["config"]["layers"].append(
            {**entry, "inbound_nodes": [[node, node] if function == "stack" else node]}
        )
        at["model"]["config"]["output_layers"] = [["out", 0, 0]]

    return _config(change)


def _wide(folder: Path) -> Path:
    """A file of some kilobytes that asks for 10^11 multiply-adds an image."""
    image = x = keras.Input((1024, 1024, 3), name="image")
    for number in range(6):
        x = L.Conv2D(4, 31, padding="same", name=f"wide_{number}")(x)
    keras.Model(image, L.Dense(3)(L.GlobalAveragePooling2D()(x))).save(folder / "model.h5")
    return folder / "model.h5"


def _adding(at: dict[str, Any]) -> None:
    layers, last = at["model"]["config"]["layers"], "image"
    for number in range(200):
        layers.append({"class_name": "Add", "name": f"add_{number}", "config": {"name": f"add_{number}"},
                       "inbound_nodes": [[[last, 0, 0, {}]] * 1000]})  # fmt: skip
        last = f"add_{number}"


def _with_damaged_lzma(folder: Path) -> Path:
    path = _archive(lambda members: None, compression=zipfile.ZIP_LZMA)(folder)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("config.json").header_offset + 30 + len("config.json")
    content[start + 4 : start + 9] = b"\xff" * 5
    path.write_bytes(content)
    return path


def _no_file(make: Callable[[Path], Any]) -> Callable[[Path], Path]:
    def made(folder: Path) -> Path:
        make(folder / "model.h5")
        return folder / "model.h5"

    return made


def _kernel(put: _Put) -> Callable[[Path], Path]:
    """A model with another kernel in its convolution."""

    def change(file: h5py.File) -> None:
        group = file["model_weights/conv/conv"]
        values = group["kernel:0"][()]
        del group["kernel:0"]
        put(group, values, "kernel:0")

    return _h5(change)


def _archive(change: Callable[[dict[str, bytes]], Any], **options: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "model.keras"
        _chain().save(path)
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        change(members)
        with zipfile.ZipFile(path, "w", options.get("compression", zipfile.ZIP_STORED)) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
            if link := options.get("link"):
                member = zipfile.ZipInfo(link)
                member.external_attr = (stat.S_IFLNK | 0o777) << 16
                archive.writestr(member, "/etc/passwd")
        if lie := options.get("declared"):
            size = struct.pack("<I", len(members["config.json"]))
            path.write_bytes(path.read_bytes().replace(size, struct.pack("<I", lie)))
        return path

    return make


def _bytes(content: bytes, name: str = "model.h5") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def _set(data: Any = None, label: Any = None, change: _Change | None = None) -> Callable[[Path], Path]:
    """An image set in HDF5 of 12 images of 8 x 8 x 3; `data` and `label` are given the valid ones."""

    def make(folder: Path) -> Path:
        pixels = np.random.default_rng(0).integers(0, 256, (12, 3, 8, 8), dtype=np.uint8)
        labels = np.arange(12) % 3
        with h5py.File(folder / "set.h5", "w") as file:
            file["data"] = pixels if data is None else data(pixels)
            file["label"] = labels if label is None else label(labels)
            if change is not None:
                change(file)
        return folder / "set.h5"

    return make


def _data(put: _Put) -> Callable[[Path], Path]:
    def change(file: h5py.File) -> None:
        values = file["data"][()]
        del file["data"]
        put(file, values, "data")

    return _set(change=change)


def _cut(make: Callable[[Path], Path], kept: float) -> Callable[[Path], Path]:
    def made(folder: Path) -> Path:
        path = make(folder)
        content = path.read_bytes()
        path.write_bytes(content[: int(kept * len(content))])
        return path

    return made


def _looping(folder: Path) -> Path:
    path = _h5(lambda file: None)(folder)
    content = bytearray(path.read_bytes())
    heap = content.find(b"GCOL")
    content[heap + 16 : heap + 400] = bytes(384)
    path.write_bytes(content)
    return path


def _images(*files: tuple[str, bytes]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for name, content in files:
            path = folder / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder / "images"

    return make


def _png(size: int = 8) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((size, size, 3), np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def _postscript() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "EPS")
    return stream.getvalue()


def _declaring(width: int) -> bytes:
    changed = bytearray(_png())
    struct.pack_into(">I", changed, 16, width)
    struct.pack_into(">I", changed, 29, zlib.crc32(bytes(changed[12:29])))
    return bytes(changed)


def _npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _inflating() -> bytes:
    """Three megabytes that deflate to three gigabytes."""
    packing = zlib.compressobj(9)
    first = packing.compress(bytes(2**20)) + packing.flush(zlib.Z_FULL_FLUSH)
    again = packing.compress(bytes(2**20)) + packing.flush(zlib.Z_FULL_FLUSH)
    return first + again * 3072 + packing.flush()


def _chain() -> keras.Model:
    image = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(4, 3, activation="relu", name="conv")(image)
    x = L.BatchNormalization(name="bn")(x)
    return keras.Model(image, L.Dense(3, activation="softmax", name="fc")(L.Flatten(name="flat")(x)))


def _with_lambda(folder: Path) -> Path:
    canary = str(folder / "canary")
    image = keras.Input((8, 8, 3))
    payload = eval(f"lambda x: (open({canary!r}, 'w').close(), x)[1]")
    x = L.Lambda(payload, output_shape=(8, 8, 3))(image)
    keras.Model(image, L.Dense(3)(L.Flatten()(x))).save(folder / "model.h5")
    Path(canary).unlink()  # Building it ran it; opening it must not.
    return folder / "model.h5"


def _values(change: _Change) -> _Put:
    return lambda group, old, name: group.__setitem__(name, change(old))


def _with_filter(code: int) -> _Put:
    def put(group: h5py.Group, values: np.ndarray, name: str) -> None:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk(values.shape)
        properties.set_filter(code, h5py.h5z.FLAG_OPTIONAL)
        kind, space = h5py.h5t.py_create(values.dtype), h5py.h5s.create_simple(values.shape)
        dataset = h5py.h5d.create(group.id, name.encode(), kind, space, properties)
        dataset.write_direct_chunk((0,) * values.ndim, values.tobytes(), filter_mask=1)

    return put


def _virtual(group: h5py.Group, values: np.ndarray, name: str) -> None:
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[...] = h5py.VirtualSource("elsewhere.h5", "data", values.shape)
    group.create_virtual_dataset(name, layout)


def _bomb(group: h5py.Group, values: np.ndarray, name: str) -> None:
    dataset = group.create_dataset(name, values.shape, values.dtype, chunks=values.shape, compression="gzip")
    dataset.id.write_direct_chunk((0,) * values.ndim, _inflating())


_STORAGE: tuple[tuple[str, _Put], ...] = (
    ("external link", lambda group, old, name: group.__setitem__(name, h5py.ExternalLink("elsewhere.h5", "/data"))),
    ("soft link to itself", lambda group, old, name: group.__setitem__(name, h5py.SoftLink(f"{group.name}/{name}"))),
    ("external storage (`/etc/passwd`)", lambda group, old, name: group.create_dataset(
        name, old.shape, old.dtype, external=[("/etc/passwd", 0, old.nbytes)])),
    ("virtual dataset of another file", _virtual),
    ("unknown filter 305", _with_filter(305)),
    ("filter 32015 (zstd), not available", _with_filter(32015)),
    ("declared 4 TiB, nothing stored", lambda group, old, name: group.create_dataset(name, (2**20, 2**20), "f4")),
    ("declared 4 TiB in chunks, nothing stored", lambda group, old, name: group.create_dataset(
        name, (2**10, 2**20, 2**5, 2**5), "f4", chunks=(16, 16, 32, 32), compression="gzip")),
    (_BOMB, _bomb),
    ("texts (objects)", lambda group, old, name: group.create_dataset(name, (3,), h5py.string_dtype())),
    ("compound values", lambda group, old, name: group.create_dataset(name, data=np.zeros(3, [("a", "f4")]))),
    ("a group in its place", lambda group, old, name: group.create_group(name)),
)  # fmt: skip


def _cases() -> Iterator[Case]:
    evil = {"class_name": "system", "config": {"command": "false"}, "module": "os", "registered_name": "pkg>Evil"}
    code = "Models: code"
    yield Case(code, "`Lambda` whose payload creates a file", _with_lambda)
    for what, change in (
        ("custom class `Evil`", lambda at: at["conv"].update(class_name="Evil")),
        ("registered `pkg>Evil`", lambda at: at["conv"].update(registered_name="pkg>Evil")),
        ("module `os`, class `system`", lambda at: at["conv"].update(module="os", class_name="system")),
        ("`TFOpLambda` of `io.write_file`", lambda at: at["flat"].update(
            class_name="TFOpLambda", config={"name": "flat", "function": "io.write_file"})),
        ("`TFOpLambda` of a dictionary", lambda at: at["flat"].update(
            class_name="TFOpLambda", config={"name": "flat", "function": {"a": 1}})),
        ("`TFSMLayer` (a SavedModel inside)", lambda at: at["flat"].update(class_name="TFSMLayer")),
        ("activation `__lambda__` with code", lambda at: at["conv"]["config"].update(
            activation={"class_name": "__lambda__", "config": {"value": "4wEA"}})),
        ("hostile initializer, regularizer, constraint", lambda at: at["conv"]["config"].update(
            kernel_initializer=evil, kernel_regularizer=evil, kernel_constraint=evil)),
    ):  # fmt: skip
        yield Case(code, what, _config(change))
    yield Case(
        code, "hostile training configuration", _h5(lambda file: file.attrs.update(training_config=json.dumps(evil)))
    )
    yield Case(code, "pickle", _bytes(pickle.dumps([1])))
    yield Case(code, "a pipe that nobody writes to", _no_file(os.mkfifo))
    yield Case(code, "a link to `/dev/zero`", _no_file(lambda path: path.symlink_to("/dev/zero")))
    yield Case(code, "SavedModel", _images(("saved_model.pb", b"")))
    size = "Models: size and structure"
    for what, change in (
        ("`Dense` of 10^12 units", lambda at: at["fc"]["config"].update(units=10**12)),
        ("`Dense` larger than its weights", lambda at: at["fc"]["config"].update(units=2**20)),
        ("input of 10^6 x 10^6", lambda at: at["image"]["config"].update(batch_input_shape=[None, 10**6, 10**6, 3])),
        ("layers in a circle", lambda at: at["conv"].update(inbound_nodes=[[["fc", 0, 0, {}]]])),
        ("2,000 times the same layers", lambda at: at["model"]["config"].update(
            layers=at["model"]["config"]["layers"] * 2000)),
        ("name with terminal codes", lambda at: at["conv"].update(class_name="Evil\n\x1b[31m")),
    ):  # fmt: skip
        yield Case(size, what, _config(change))
    yield Case(size, "six convolutions of 31 x 31 on 1,024 x 1,024", _wide)
    yield Case(size, "200 additions of 1,000 inputs", _config(_adding))
    yield Case(size, "upsampling to 1,024 times the size", _config(lambda at: at["flat"].update(
        class_name="UpSampling2D", config={"name": "flat", "size": [1024, 1024]})))  # fmt: skip
    batch = "Models: functions"
    for what, function, arguments in (
        ("squeeze without an axis", "squeeze", {}),
        ("reshape to one image", "reshape", {"shape": [1, 3]}),
        ("reshape over images", "reshape", {"shape": [-1, 1]}),
        ("gather out of range", "gather", {"indices": [9], "axis": 1}),
        ("gather of images", "gather", {"indices": [0], "axis": 0}),
        ("an index that leaves images out", op_rules.GET_ITEM, {
            "slice_spec": [{"start": 1, "stop": None, "step": None}]}),
        ("stack over the batch", "stack", {"axis": 0}),
        ("softmax over the batch", "nn.softmax", {"axis": 0}),
        ("a constant of 10^400", "math.add", {"y": 10**400}),
        ("outputs that are true or false", "math.greater", {"y": 0.5}),
        ("outputs that are integers", "cast", {"dtype": "int32"}),
        ("rounded outputs, which have no gradient", "math.round", {}),
        ("values that are infinite", "math.truediv", {"y": 0.0}),
    ):  # fmt: skip
        yield Case(batch, what, _then(function, **arguments))
    yield Case(size, "JSON nested 60,000 deep", _h5(lambda file: file.attrs.update(model_config="[" * 60_000)))
    yield Case(
        size,
        "80 MiB of the same number in 83 kB",
        _kernel(
            lambda group, old, name: group.create_dataset(
                name, data=np.ones((2**20, 20), "f4"), chunks=(2**18, 1), compression="gzip"
            )
        ),
    )
    archive = "`.keras` zip"
    yield Case(archive, "member `../evil.py`", _archive(lambda members: members.update({"../evil.py": b""})))
    yield Case(
        archive, "member `/etc/cron.d/evil`", _archive(lambda members: members.update({"/etc/cron.d/evil": b""}))
    )
    yield Case(archive, "symbolic link", _archive(lambda members: None, link="assets/link"))
    yield Case(
        archive,
        "5,000 members",
        _archive(lambda members: members.update({f"assets/{number}": b"" for number in range(5000)})),
    )
    yield Case(archive, "no configuration", _archive(lambda members: members.pop("config.json")))
    yield Case(
        archive,
        "bomb that declares its size",
        _archive(lambda members: members.update({"config.json": b" " * 2**25}), compression=zipfile.ZIP_DEFLATED),
    )
    yield Case(
        archive,
        "bomb that lies about its size",
        _archive(
            lambda members: members.update({"config.json": b" " * 2**25}),
            compression=zipfile.ZIP_DEFLATED,
            declared=4000,
        ),
    )
    yield Case(archive, "LZMA whose properties are damaged", _with_damaged_lzma)
    yield Case(archive, "a zip in place of the weights", _archive(lambda members: members.update({
        "model.weights.h5": b"PK\3\4"})))  # fmt: skip
    for what, put in _STORAGE:
        yield Case("HDF5, weights", what, _kernel(put))
    for what, values in (
        ("NaN", lambda old: np.full_like(old, np.nan)),
        ("beyond float32", lambda old: np.full(old.shape, 1e300)),
        ("wrong rank", lambda old: old.ravel()),
        ("no values, for 4 million channels", lambda old: np.zeros((0, 0, 4 * 10**6, 64), "f4")),
    ):
        yield Case("HDF5, weights", what, _kernel(_values(values)))
    yield Case("HDF5, weights", "a heap that makes the library loop for ever", _looping)
    yield Case("HDF5, weights", "cut in half", _cut(_h5(lambda file: None), 0.5))
    for what, put in _STORAGE:
        yield Case("HDF5, images", what, _data(put), is_model=False)
    for what, make in (
        ("labels missing", _set(change=lambda file: file.__delitem__("label"))),
        ("cut in half", _cut(_set(), 0.5)),
        ("2 channels", _set(data=lambda old: old[:, :2])),
        ("floats that are all 0 or 1", _set(data=lambda old: (old > 99) * 1.0)),
        ("NaN", _set(data=lambda old: np.where(old == 7, np.nan, old))),
        ("no images", _set(data=lambda old: old[:0])),
    ):
        yield Case("HDF5, images", what, make, is_model=False)
    for what, change in (
        ("negative", lambda old: old - 1),
        ("scores", lambda old: 0.9 * np.eye(3)[old]),
        ("fewer than images", lambda old: old[:5]),
        ("NaN", lambda old: np.full(12, np.nan)),
        ("beyond a million", lambda old: old + 10**7),
    ):
        yield Case("Labels", what, _set(label=change), is_model=False)
    objects = np.array([print], dtype=object)
    for what, content in (
        ("objects (pickles)", _npz(data=objects, label=[0])),
        ("another zip", _npz(other=np.zeros(3))),
        ("cut in half", _npz(data=np.zeros((4, 8, 8, 3), np.uint8), label=np.arange(4))[:500]),
    ):
        yield Case("`.npz`", what, _bytes(content, "set.npz"), is_model=False)
    for what, files in (
        ("a broken image among good ones", (("0/a.png", _png()), ("1/b.png", _png()), ("1/c.png", _png()[:40]))),
        ("only broken images", (("0/a.png", b"no image"),)),
        ("PostScript, for Ghostscript, named `.png`", (("0/a.png", _postscript()),)),
        ("4,000,000,000 pixels wide", (("0/a.png", _declaring(4_000_000_000)),)),
        ("100,000,000 pixels wide", (("0/a.png", _declaring(100_000_000)),)),
        ("two sizes", (("0/a.png", _png()), ("0/b.png", _png(9)))),
        ("no labels", (("a.png", _png()),)),
    ):
        yield Case("Image folders", what, _images(*files), is_model=False)


def main() -> int:
    """Prints or writes the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--write", action="store_true")
    made = table()
    if not arguments.parse_args().write:
        print(made)
        return 0
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + made + END + rest.partition(END)[2])
    return 0


if __name__ == "__main__":
    sys.exit(main())
