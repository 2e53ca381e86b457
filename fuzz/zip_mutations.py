"""A zip (`.keras`, `.npz`) with one member changed and the right checksum, or with members that should not be there."""

import io
import stat
import struct
import warnings
import zipfile

import numpy as np

from fuzz.byte_mutations import BYTE_MUTATIONS
from fuzz.hdf5_mutations import mutate_hdf5
from fuzz.json_mutations import mutate_json

_NAMES = ("../canary/out", "/tmp/out", "assets/../../out", "..\\out", "data.pkl", "config.json", "assets/x", "x" * 300)


def mutate_member(content: bytes, rng: np.random.Generator) -> bytes:
    """Changes what is in one member, as bytes or by its kind, and zips it again."""
    members = _members(content)
    names = list(members)
    name = names[rng.integers(len(names))]
    old = members[name]
    if name.endswith(".json") and rng.random() < 0.8:
        members[name] = mutate_json(old, rng)
    elif name.endswith(".h5") and rng.random() < 0.6:
        members[name] = mutate_hdf5(old, rng)
    elif name.endswith(".npy") and rng.random() < 0.6:
        members[name] = _with_other_header(old, rng)
    else:
        members[name] = BYTE_MUTATIONS[rng.integers(len(BYTE_MUTATIONS))](old, list(members.values()), rng)
    return _zipped(members, rng)


def mutate_listing(content: bytes, rng: np.random.Generator) -> bytes:
    """Adds, drops, renames or doubles members, links them elsewhere, or lies about their sizes."""
    members = _members(content)
    names = list(members)
    name = names[rng.integers(len(names))]
    action = int(rng.integers(7))
    if action == 0:
        del members[name]
    elif action == 1:
        members[_NAMES[rng.integers(len(_NAMES))]] = members.pop(name)
    elif action == 2:
        members[_NAMES[rng.integers(len(_NAMES))]] = rng.bytes(100)
    elif action == 3:
        members |= {f"assets/{number}": b"" for number in range(int(rng.integers(10, 3000)))}
    elif action == 4:
        members[name] = bytes(2 ** int(rng.integers(20, 26)))
    zipped = _zipped(members, rng, twice=name if action == 5 else None, link=name if action == 6 else None)
    if rng.random() < 0.3 and name in members:
        size = struct.pack("<I", len(members[name]))
        zipped = zipped.replace(size, struct.pack("<I", int(rng.choice([0, 1, 10, 2**31, 2**32 - 1]))))
    return zipped


def _members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(
    members: dict[str, bytes], rng: np.random.Generator, twice: str | None = None, link: str | None = None
) -> bytes:
    stream = io.BytesIO()
    kinds = (zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", kinds[rng.integers(len(kinds))]) as archive:
        warnings.simplefilter("ignore")  # It warns of names that stand twice.
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = archive.compression
            if name == link:
                member.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(member, content)
            if name == twice:
                archive.writestr(name, content[:100])
    return stream.getvalue()


def _with_other_header(array: bytes, rng: np.random.Generator) -> bytes:
    """A .npy whose header declares something else."""
    length = struct.unpack("<H", array[8:10])[0]
    header = array[10 : 10 + length].decode("latin-1")
    changes = (
        ("'|u1'", "'|O'"), ("'|u1'", "'<f8'"), ("'|u1'", "'<M8[s]'"), ("(12,", "(-12,"), ("(12,", "(10**9,"),
        ("(12,", "(12, 10000000000,"), ("False", "True"), ("{", "{'x': __import__('os'), "), ("'<i8'", "'|O8'"),
        ("descr", "descx"), ("(12,", "(()"), ("}", ""), ("(12,", "(12.5,"), ("(12,", "(" + "9" * 400 + ","),
    )  # fmt: skip
    for old, new in (changes[rng.integers(len(changes))] for _ in range(2)):
        header = header.replace(old, new, 1)
    return array[:8] + struct.pack("<H", len(header)) + header.encode("latin-1") + array[10 + length :]
