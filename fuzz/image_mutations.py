"""Image files that declare another size than they have, with the right checksums."""

import struct
import zlib

import numpy as np

_SIZES = (0, 1, 7, 8, 255, 4096, 8192, 8193, 65535, 100_000, 2**31 - 1, 2**32 - 1)


def declare_another_size(content: bytes, rng: np.random.Generator) -> bytes:
    """Changes width or height in the header of a PNG, JPEG, BMP or GIF; other files are returned as they are."""
    size = _SIZES[rng.integers(len(_SIZES))]
    changed = bytearray(content)
    if content.startswith(b"\x89PNG"):
        struct.pack_into(">I", changed, 16 + 4 * int(rng.integers(2)), size)
        if rng.random() < 0.3:
            changed[24 + int(rng.integers(5))] = int(rng.integers(17))  # Bit depth, colour type, interlacing...
        struct.pack_into(">I", changed, 29, zlib.crc32(bytes(changed[12:29])))
    elif content.startswith(b"\xff\xd8") and (frame := content.find(b"\xff\xc0")) > 0:
        struct.pack_into(">H", changed, frame + 5 + 2 * int(rng.integers(2)), size % 2**16)
    elif content.startswith(b"BM"):
        struct.pack_into("<I", changed, 18 + 4 * int(rng.integers(2)), size)
    elif content.startswith(b"GIF"):
        struct.pack_into("<H", changed, 6 + 2 * int(rng.integers(2)), size % 2**16)
    return bytes(changed)


def with_texts_that_inflate(content: bytes, rng: np.random.Generator) -> bytes:
    """A PNG with a compressed text chunk that grows a thousandfold; other files are returned as they are."""
    if not content.startswith(b"\x89PNG"):
        return content
    body = b"zTXt" + b"Comment\0\0" + zlib.compress(bytes(2 ** int(rng.integers(20, 28))), 9)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return content[:33] + chunk * int(rng.integers(1, 4)) + content[33:]
