"""Bytes of a valid file, changed without knowing what they mean."""

from collections.abc import Sequence

import numpy as np

_TELLING_NUMBERS = (0, 1, 2, 7, 8, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
# Formats keep their structure at the beginning; further on there are mostly values.
_FRONT = 4096


def flip_bits(content: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Flips one bit in each of up to 16 bytes."""
    changed = bytearray(content)
    for position in _positions(len(changed), rng, int(rng.integers(1, 17))):
        changed[position] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def overwrite_bytes(content: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Overwrites up to 64 bytes in a row with others, or with zeros."""
    changed = bytearray(content)
    for position in _positions(len(changed), rng, 1):
        length = int(rng.integers(1, 65))
        changed[position : position + length] = rng.bytes(length) if rng.random() < 0.5 else bytes(length)
    return bytes(changed[: len(content)])


def plant_numbers(content: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Writes telling numbers (0, 2**31, ...) of 1, 2, 4 or 8 bytes into up to 4 places."""
    changed = bytearray(content)
    for position in _positions(len(changed), rng, int(rng.integers(1, 5))):
        length = int(rng.choice([1, 2, 4, 8]))
        order = "little" if rng.random() < 0.7 else "big"
        number = _TELLING_NUMBERS[rng.integers(len(_TELLING_NUMBERS))] % 256**length
        changed[position : position + length] = number.to_bytes(length, order)
    return bytes(changed[: len(content)])


def truncate(content: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Cuts the end off, anywhere."""
    return content[: int(rng.integers(len(content) + 1))]


def remove_inside(content: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Takes some bytes out of the middle, so that all behind them is displaced."""
    start = int(rng.integers(len(content) + 1))
    return content[:start] + content[start + int(rng.integers(1, 513)) :]


def repeat_inside(content: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Writes a piece of the file over another place in it."""
    changed = bytearray(content)
    length = int(rng.integers(1, 1 + min(1024, len(content))))
    source, target = (int(rng.integers(len(content) - length + 1)) for _ in range(2))
    changed[target : target + length] = content[source : source + length]
    return bytes(changed)


def splice(content: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """The beginning of this file and the end of another, or a piece of the other in the midst of this one."""
    other = others[rng.integers(len(others))]
    start = int(rng.integers(len(content) + 1))
    if rng.random() < 0.5:
        return content[:start] + other[int(rng.integers(len(other) + 1)) :]
    piece = int(rng.integers(len(other) + 1))
    length = int(rng.integers(1, 2049))
    return content[:start] + other[piece : piece + length] + content[start + length :]


def append(content: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Adds bytes, or another file, to the end."""
    return content + (
        others[rng.integers(len(others))] if rng.random() < 0.5 else rng.bytes(int(rng.integers(1, 4097)))
    )


BYTE_MUTATIONS = (
    flip_bits,
    overwrite_bytes,
    plant_numbers,
    truncate,
    remove_inside,
    repeat_inside,
    splice,
    append,
)


def _positions(length: int, rng: np.random.Generator, count: int) -> list[int]:
    """Places in a file of that length, most of them in front."""
    if not length:
        return []
    return [int(rng.integers(min(length, _FRONT) if rng.random() < 0.7 else length)) for _ in range(count)]
