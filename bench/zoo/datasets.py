"""The zoo's data: what the attacker trains on, what the defender owns, what figures are measured on."""

from dataclasses import dataclass

from bench.datasets import Files, dataset_files, draw_evenly, files_within
from bench.zoo.draw import FACES, GTSRB, PHOTOGRAPHS, Draw
from data.errors import InputError
from data.image_set import ImageSet
from data.opening import open_image_set

# Folders of --data_dir, each in the layout of CSAW.
_FOLDERS = {GTSRB: "gtsrb", PHOTOGRAPHS: "cifar10"}


@dataclass(frozen=True)
class Sets:
    """Three sets of one dataset, with no image in common, held in memory."""

    train: ImageSet
    validation: ImageSet
    test: ImageSet

    def clean(self, percent: float, seed: int) -> ImageSet:
        """The defender's clean images: a draw from the validation images.

        Args:
            percent: of the training set's size.
            seed: the same seed draws the same images.

        Raises:
            InputError: there are not so many.
        """
        count = round(percent / 100 * len(self.train))
        return self.validation.subset(draw_evenly(self.validation, count, seed), "clean data")


def load_sets(draw: Draw, data_dir: str | None, cache_dir: str) -> Sets:
    """Reads the data of a draw, or draws its faces into the cache.

    Args:
        draw: of which BadNet.
        data_dir: the folder with gtsrb/ and cifar10/.
        cache_dir: where faces are kept.

    Raises:
        InputError: the data is not there.
    """
    if draw.dataset == FACES:
        files = dataset_files(FACES, draw.faces_seed, cache_dir, None)
    else:
        files = _files(draw.dataset, data_dir)
    train, validation, test = (open_image_set(path).in_memory() for path in (files.train, files.validation, files.test))
    return Sets(train, validation, test)


def _files(dataset: str, data_dir: str | None) -> Files:
    if data_dir is None:
        raise InputError(f"--data_dir: missing; expected the folder that has {' and '.join(_FOLDERS.values())} in it")
    return files_within(data_dir, "data_dir", _FOLDERS[dataset])
