"""Which changes fit which kind of input, and one input made of a seed and a number."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fuzz.byte_mutations import BYTE_MUTATIONS
from fuzz.corpus import Seed
from fuzz.hdf5_mutations import mutate_config_in_hdf5, mutate_hdf5
from fuzz.image_mutations import declare_another_size, with_texts_that_inflate
from fuzz.zip_mutations import mutate_listing, mutate_member

_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
_Mutation = Callable[[bytes, np.random.Generator], bytes]
# Changes that know the format, each as often as all changes of bytes together.
_BY_SIGNATURE: dict[bytes, tuple[_Mutation, ...]] = {
    _HDF5: (mutate_hdf5, mutate_config_in_hdf5),
    _ZIP: (mutate_member, mutate_member, mutate_listing),
}
_OF_IMAGES: tuple[_Mutation, ...] = (declare_another_size, with_texts_that_inflate)


@dataclass(frozen=True)
class Input:
    """One input of the fuzzer.

    Attributes:
        seed: name of the valid input it was made of.
        kind: what it is opened as.
        mutation: what was done to it.
        files: contents by path; a single file has the path "".
    """

    seed: str
    kind: str
    mutation: str
    files: dict[str, bytes]


def make_input(corpus: Sequence[Seed], fuzz_seed: int, number: int) -> Input:
    """Makes the input of a number; the same one for the same corpus.

    Args:
        corpus: the seeds.
        fuzz_seed: of the whole run.
        number: of the input.

    Returns:
        The input: one of its files is changed.
    """
    for attempt in range(100):
        # The HDF5 library refuses to write some changes upon others.
        with contextlib.suppress(ValueError, TypeError, OSError, KeyError, RuntimeError):
            return _made(corpus, np.random.default_rng([fuzz_seed, number, attempt]))
    raise AssertionError(f"input {number}: nothing could be written")


def _made(corpus: Sequence[Seed], rng: np.random.Generator) -> Input:
    seed = corpus[rng.integers(len(corpus))]
    name = list(seed.files)[rng.integers(len(seed.files))]
    content = seed.files[name]
    aware = _BY_SIGNATURE.get(content[:8], _BY_SIGNATURE.get(content[:4], () if name == "" else _OF_IMAGES))
    choice = int(rng.integers(len(aware) + 1))
    if choice < len(aware):
        changed, mutation = aware[choice](content, rng), aware[choice].__name__
    else:
        others = [other for one in corpus if one.kind == seed.kind for other in one.files.values()]
        change = BYTE_MUTATIONS[rng.integers(len(BYTE_MUTATIONS))]
        changed, mutation = change(content, others, rng), change.__name__
    return Input(seed.name, seed.kind, mutation, {**seed.files, name: changed})
