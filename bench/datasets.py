"""The data of the benchmark as files: training, validation and test images, and draws from the validation images."""

import os
from dataclasses import dataclass

import numpy as np

from bench.locks import held
from goodnet.data.errors import InputError
from goodnet.data.faces.face_sets import DEFAULT_IDENTITIES, DEFAULT_IMAGES_PER_IDENTITY, face_sets
from goodnet.data.hdf5 import write_hdf5
from goodnet.data.image_set import ImageSet
from goodnet.data.opening import open_image_set
from goodnet.pipeline.run.output_files import make_folder

GTSRB, PHOTOGRAPHS, FACES, FACES_AT_SCALE = "gtsrb", "photographs", "faces", "faces-1283"

# Folders of --data_dir, each in the layout of CSAW.
_FOLDERS = {GTSRB: "gtsrb", PHOTOGRAPHS: "cifar10"}
_FACES = {FACES: (DEFAULT_IDENTITIES, DEFAULT_IMAGES_PER_IDENTITY), FACES_AT_SCALE: (1283, 9)}
_NAMES = ("train.h5", "clean_validation.h5", "clean_test.h5")


@dataclass(frozen=True)
class Files:
    """Paths of a dataset: what the attacker trains on, what the defender owns, what figures are measured on."""

    train: str
    validation: str
    test: str


def dataset_files(dataset: str, seed: int, cache_dir: str, data_dir: str | None) -> Files:
    """Finds the files of a dataset, or draws the faces into the cache.

    Args:
        dataset: GTSRB, PHOTOGRAPHS, FACES or FACES_AT_SCALE.
        seed: of the faces; without meaning elsewhere.
        cache_dir: where drawn faces are kept.
        data_dir: the folder with gtsrb/ and cifar10/, or None.

    Raises:
        InputError: the data is not there.
    """
    if dataset in _FOLDERS:
        return _files_within(data_dir, _FOLDERS[dataset])
    folder = os.path.join(cache_dir, "data", f"{dataset}-seed{seed}")
    files = Files(*(os.path.join(folder, name) for name in _NAMES))
    make_folder(folder, "cache_dir")
    with held(folder + ".lock"):
        if not all(os.path.exists(path) for path in vars(files).values()):
            sets = face_sets(*_FACES[dataset], seed)
            write_hdf5(files.train, sets.train)
            write_hdf5(files.validation, sets.validation)
            write_hdf5(files.test, sets.test)
    return files


def _files_within(data_dir: str | None, folder: str) -> Files:
    if data_dir is None:
        raise InputError(f"--data_dir: missing; expected the folder that has {folder}/ in it")
    files = Files(*(os.path.join(data_dir, folder, name) for name in _NAMES))
    for path in vars(files).values():
        if not os.path.exists(path):
            raise InputError(
                f"--data_dir={data_dir}: no {os.path.relpath(path, data_dir)}; expected {', '.join(_NAMES)}"
            )
    return files


def clean_file(files: Files, percent: int | None, seed: int, folder: str) -> str:
    """The defender's clean images: all of the validation file, or a draw from it.

    Args:
        files: the dataset.
        percent: of the training set's size; None for all.
        seed: the same seed draws the same images.
        folder: where the draw is written, unless it is there.

    Returns:
        Its path.

    Raises:
        InputError: the validation file has fewer images.
    """
    if percent is None:
        return files.validation
    path = os.path.join(folder, f"clean-{percent}pc-seed{seed}.h5")
    make_folder(folder, "cache_dir")
    with held(path + ".lock"):
        if not os.path.exists(path):
            count = round(percent / 100 * len(open_image_set(files.train)))
            validation = open_image_set(files.validation)
            write_hdf5(path, validation.subset(draw_evenly(validation, count, seed)))
    return path


def draw_evenly(images: ImageSet, count: int, seed: int) -> np.ndarray:
    """Draws images such that every class gets its share, to within one image.

    Args:
        images: where to draw from.
        count: how many, at least 1.
        seed: the same seed draws the same ones.

    Returns:
        int64 [count], ascending.

    Raises:
        InputError: there are fewer images.
    """
    if not 0 < count <= len(images):
        raise InputError(f"{images.name}: {len(images)} images; expected at least {max(count, 1)} to draw from")
    rng = np.random.default_rng(seed)
    # The images of each class, in random order, are spread evenly over 0..1, and those below the share are taken.
    place = np.empty(len(images))
    for label in np.unique(images.labels):
        members = rng.permutation(np.flatnonzero(images.labels == label))
        place[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.sort(np.argsort(place, kind="stable")[:count])
