"""An HDF5 file changed through the HDF5 library, so that what comes out is well-formed and wrong."""

import io
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

from fuzz.byte_mutations import BYTE_MUTATIONS
from fuzz.json_mutations import mutate_json

# Files outside that links and storage point to, seen from the input's folder.
SECRET_HDF5 = "../secret/secret.h5"
SECRET_BYTES = "../secret/secret.bin"


def mutate_hdf5(content: bytes, rng: np.random.Generator) -> bytes:
    """Changes one or two members or attributes; sometimes a few bytes after that.

    Args:
        content: a valid file.
        rng: decides what.

    Returns:
        The changed file.
    """
    stream = io.BytesIO(content)
    with h5py.File(stream, "r+") as file:
        for _ in range(int(rng.integers(1, 3))):
            _change(file, rng)
    changed = stream.getvalue()
    if rng.random() < 0.15:
        changed = BYTE_MUTATIONS[rng.integers(3)](changed, [changed], rng)
    return changed


def mutate_config_in_hdf5(content: bytes, rng: np.random.Generator) -> bytes:
    """Changes the JSON of a model's configuration inside its HDF5 file."""
    stream = io.BytesIO(content)
    with h5py.File(stream, "r+") as file:
        if "model_config" not in file.attrs:
            return mutate_hdf5(content, rng)
        config = file.attrs["model_config"]
        encoded = config.encode() if isinstance(config, str) else config
        file.attrs["model_config"] = mutate_json(encoded, rng).decode("utf-8", "replace")
    return stream.getvalue()


def _change(file: h5py.File, rng: np.random.Generator) -> None:
    groups: list[h5py.Group] = [file]
    datasets: list[h5py.Dataset] = []
    file.visititems(lambda _, item: (datasets if isinstance(item, h5py.Dataset) else groups).append(item))
    if rng.random() < 0.3:
        holders = [item for item in [*groups, *datasets] if len(item.attrs)]
        if holders:
            _change_attribute(holders[rng.integers(len(holders))], rng)
            return
    if rng.random() < 0.25:
        _change_group(groups[rng.integers(len(groups))], rng)
    elif datasets:
        dataset = datasets[rng.integers(len(datasets))]
        parent, name, values = dataset.parent, dataset.name.rpartition("/")[2], _values(dataset)
        del parent[name]
        replace = _REPLACEMENTS[rng.integers(len(_REPLACEMENTS))]
        replace(parent, name, values, rng)


def _values(dataset: h5py.Dataset) -> np.ndarray:
    """What is stored, unless a change before this one left nothing to be read."""
    is_plain = dataset.shape and dataset.size < 2**20 and not dataset.is_virtual and not dataset.external
    return np.asarray(dataset[()]) if is_plain and dataset.dtype.kind in "fiuS" else np.zeros((3,), np.float32)


def _change_attribute(holder: Any, rng: np.random.Generator) -> None:
    names = list(holder.attrs)
    name = names[rng.integers(len(names))]
    old = holder.attrs[name]
    texts = [b"../../x", b"/", b"layer\n\x1b[2J", b"", b"a" * 5000, b"\xff\xfe"]
    values: list[Any] = [
        3, -1.5, np.zeros((2, 2)), np.zeros(0), np.array(texts), np.array([b"x"] * 3000), h5py.Empty("f4"), "", "{}",
        "[]", "null", "[" * 5000, np.bytes_(b"\xff\xfe\x00"), np.array([old, old]) if np.ndim(old) == 0 else old[::-1],
        old[:-1] if np.ndim(old) == 1 and len(old) else "x", np.zeros(3, [("a", "f4")]), holder.ref,
    ]  # fmt: skip
    if rng.random() < 0.15:
        del holder.attrs[name]
        return
    value = values[rng.integers(len(values))]
    if isinstance(value, h5py.Reference):
        holder.attrs.create(name, value, dtype=h5py.ref_dtype)
    else:
        holder.attrs[name] = value


def _change_group(group: h5py.Group, rng: np.random.Generator) -> None:
    names = list(group)
    if not names:
        group["more"] = rng.random(3)
        return
    name = names[rng.integers(len(names))]
    action = int(rng.integers(8))
    if action == 0:
        del group[name]
    elif action == 1:
        group.move(name, name + ["x", ":0", "\u202e", "\x1b[31m", "y" * 3000][rng.integers(5)])
    elif action == 2:
        group[f"{name}_again"] = group[name]  # The same object under two names.
    elif action == 3:
        del group[name]
        group[name] = group  # A group that holds itself.
    elif action == 4:
        del group[name]
        group[name] = h5py.SoftLink(["/", name, "/nowhere", "../x", group.name][rng.integers(5)])
    elif action == 5:
        del group[name]
        group[name] = h5py.ExternalLink(SECRET_HDF5, ["/data", "/", "/nowhere"][rng.integers(3)])
    elif action == 6:
        deepest = group
        for _ in range(60):
            deepest = deepest.require_group("deeper")
    else:
        for number in range(300):
            group[f"many_{number}"] = number


_Replacement = Callable[[h5py.Group, str, np.ndarray, np.random.Generator], None]


def _other_values(parent: h5py.Group, name: str, old: np.ndarray, rng: np.random.Generator) -> None:
    numbers = old if old.dtype.kind in "fiu" else np.zeros(old.shape or (1,))
    values: list[Any] = [
        np.full(numbers.shape, np.nan), np.full(numbers.shape, np.inf), np.full(numbers.shape, -1),
        np.full(numbers.shape, 1e300), numbers.astype(np.float64) / 255, numbers.astype(np.int64) + 10**7,
        numbers.astype(np.uint64) + np.uint64(2**63), np.zeros(numbers.shape), numbers.ravel(), numbers[:1],
        numbers[:0], numbers[None], numbers.T, np.repeat(np.atleast_1d(numbers), 2, axis=0), np.float32(1),
    ]  # fmt: skip
    parent[name] = values[rng.integers(len(values))]


def _other_type(parent: h5py.Group, name: str, old: np.ndarray, rng: np.random.Generator) -> None:
    size = max(1, len(old) if old.ndim else 1)
    kinds: list[Any] = ["f2", "f8", ">f4", "i1", "u2", ">i8", "c8", "?", "S3", [("a", "f4"), ("b", "u1")], "V7"]
    special = [h5py.string_dtype(), h5py.vlen_dtype(np.uint8), h5py.ref_dtype, h5py.regionref_dtype,
               h5py.enum_dtype({"A": 1, "B": 2}), h5py.opaque_dtype(np.dtype("datetime64[s]"))]  # fmt: skip
    choice = int(rng.integers(len(kinds) + len(special) + 1))
    if choice < len(kinds) and old.dtype.kind in "fiu" and not isinstance(kinds[choice], list) and choice < 8:
        with np.errstate(all="ignore"):
            parent[name] = old.astype(kinds[choice])
    elif choice < len(kinds):
        parent.create_dataset(name, old.shape or (1,), kinds[choice])
    elif choice < len(kinds) + len(special):
        parent.create_dataset(name, (size,), special[choice - len(kinds)])
    else:
        parent[name] = h5py.Empty("f4")


def _declared_only(parent: h5py.Group, name: str, old: np.ndarray, rng: np.random.Generator) -> None:
    shapes: list[tuple[int, ...]] = [
        (2**20, 2**20), (2**40,), (10**6, 3, 1000, 1000), (2**62,), old.shape or (1,), (1, 3, 8, 8), (1,) * 20,
    ]  # fmt: skip
    shape = shapes[rng.integers(len(shapes))]
    chunks = tuple(max(1, min(extent, 64)) for extent in shape) if rng.random() < 0.5 and len(shape) < 5 else None
    parent.create_dataset(name, shape, ["f4", "u1", "i8"][rng.integers(3)], chunks=chunks)


def _stored_elsewhere(parent: h5py.Group, name: str, old: np.ndarray, rng: np.random.Generator) -> None:
    shape, kind = old.shape or (1,), old.dtype if old.dtype.kind in "fiu" else np.dtype("f4")
    size = max(1, int(np.prod(shape)) * kind.itemsize)
    if rng.random() < 0.5:
        files = [(SECRET_BYTES, 0, size)] if rng.random() < 0.7 else [("/dev/zero", 0, size)]
        parent.create_dataset(name, shape, kind, external=files)
        return
    layout = h5py.VirtualLayout(shape, kind)
    source = SECRET_HDF5 if rng.random() < 0.5 else "."
    layout[...] = h5py.VirtualSource(source, ["data", name][rng.integers(2)], shape)
    parent.create_virtual_dataset(name, layout)


def _filtered(parent: h5py.Group, name: str, old: np.ndarray, rng: np.random.Generator) -> None:
    values = old if old.ndim and old.size and old.dtype.kind in "fiu" else np.zeros((8, 8), np.float32)
    options: list[dict[str, Any]] = [
        {"compression": "gzip", "compression_opts": 9}, {"compression": "lzf", "shuffle": True}, {"fletcher32": True},
        {"scaleoffset": 2},
    ]  # fmt: skip
    if rng.random() < 0.5:
        parent.create_dataset(name, data=values, chunks=values.shape, **options[rng.integers(len(options))])
        return
    _with_foreign_filter(parent, name, values, rng)


def _with_foreign_filter(parent: h5py.Group, name: str, values: np.ndarray, rng: np.random.Generator) -> None:
    """A filter that isn't there, one that is registered to somebody else, or chunks that are no output of theirs."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk(values.shape)
    if rng.random() < 0.6:
        properties.set_filter(int(rng.choice([305, 307, 32001, 32008, 32015, 65535, 400])), h5py.h5z.FLAG_OPTIONAL)
    else:
        properties.set_deflate(6)
    space, kind = h5py.h5s.create_simple(values.shape), h5py.h5t.py_create(values.dtype)
    dataset = h5py.h5d.create(parent.id, name.encode(), kind, space, properties)
    chunk = [rng.bytes(64), values.tobytes(), b"\0", _inflating()][rng.integers(4)]
    dataset.write_direct_chunk((0,) * values.ndim, chunk, filter_mask=int(rng.integers(2)))


def _inflating() -> bytes:
    """A deflate stream whose 65 kB become 64 MiB, whatever size the chunk declares."""
    import zlib

    return zlib.compress(bytes(2**26), 9)


def _group_instead(parent: h5py.Group, name: str, old: np.ndarray, rng: np.random.Generator) -> None:
    parent.create_group(name)["0"] = 1


def _bomb(parent: h5py.Group, name: str, old: np.ndarray, rng: np.random.Generator) -> None:
    extent = int(2 ** rng.integers(20, 25))
    parent.create_dataset(name, data=np.zeros(extent, np.uint8), chunks=(extent,), compression="gzip")


_REPLACEMENTS: tuple[_Replacement, ...] = (
    _other_values,
    _other_values,
    _other_type,
    _declared_only,
    _stored_elsewhere,
    _filtered,
    _group_instead,
    _bomb,
)
