"""The `.keras` zip of a suspect model: three known members, read into memory, never unpacked to disk."""

from __future__ import annotations

import lzma
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from goodnet.data.errors import InputError
from goodnet.models.loading.model_spec import quoted

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_LARGEST = {CONFIG: 2**24, METADATA: 2**20, WEIGHTS: 2**30}
_MOST_MEMBERS = 64
_MOST_EXPANSION = 256
_PIECE = 2**20
# What Python's zip reader and the decompressors under it raise; LZMA's properties are unpacked and taken for granted.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, MemoryError, NotImplementedError,
    RuntimeError, ValueError, TypeError, OSError,
)  # fmt: skip


@dataclass(frozen=True)
class KerasArchive:
    """The members of a `.keras` file, as bytes."""

    config: bytearray
    metadata: bytearray
    weights: bytearray


def read_keras_archive(file: BinaryIO) -> KerasArchive:
    """Reads a `.keras` file.

    Args:
        file: the file, open for reading.

    Returns:
        Its three members.

    Raises:
        InputError: it is no zip, is damaged or encrypted, lacks a member or has one twice, has a member with a path
            or a link, or unpacks to more than is sensible, whatever size it declares.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = _checked_members(archive)
            return KerasArchive(*(_read(archive, members[name]) for name in (CONFIG, METADATA, WEIGHTS)))
    except InputError:
        raise
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"damaged zip ({quoted(reason)}); expected a .keras file") from error


def _checked_members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    listed = archive.infolist()
    if len(listed) > _MOST_MEMBERS:
        raise InputError(f"a zip of {len(listed)} members; expected the three of a .keras file")
    members: dict[str, zipfile.ZipInfo] = {}
    for member in listed:
        _check_member(member)
        if member.filename in members:
            raise InputError(f"the member {quoted(member.filename)} stands twice in the zip; expected once")
        members[member.filename] = member
    for name in (CONFIG, METADATA, WEIGHTS):
        if name not in members:
            raise InputError(f"a zip without {name}; expected the one of a .keras file")
    return members


def _check_member(member: zipfile.ZipInfo) -> None:
    # orig_filename is what stands in the file; Python cuts the other one at a NUL.
    name = member.orig_filename
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in name or "\0" in name:
        raise InputError(f"the zip has a member {quoted(name)} that leads out of it; expected plain names")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise InputError(f"the zip has a member {quoted(name)} that is a symbolic link; expected plain files")
    if name not in _LARGEST and parts[0] != "assets":
        raise InputError(f"the zip has a member {quoted(name)}; expected {CONFIG}, {METADATA} and {WEIGHTS}")
    if member.flag_bits & 1:
        raise InputError(f"the zip member {quoted(name)} is encrypted; expected it plain")


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytearray:
    largest = min(_LARGEST[member.filename], max(_MOST_EXPANSION * member.compress_size, _PIECE))
    if member.file_size > largest:
        raise InputError(
            f"the zip member {quoted(member.filename)} declares {member.file_size} bytes; expected at most {largest}"
        )
    content = bytearray()
    with archive.open(member) as stream:
        # The declared size is a claim: count what really comes.
        while piece := stream.read(_PIECE):
            content += piece
            if len(content) > largest:
                raise InputError(
                    f"the zip member {quoted(member.filename)} unpacks to more than {largest} bytes; expected less"
                )
    return content
