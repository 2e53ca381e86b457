"""The zoo's data: what the attacker trains on, what the defender owns, what figures are measured on."""

from dataclasses import dataclass

from bench.datasets import dataset_files, draw_evenly
from bench.zoo.draw import Draw
from goodnet.data.image_set import ImageSet
from goodnet.data.opening import open_image_set


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
    files = dataset_files(draw.dataset, draw.faces_seed, cache_dir, data_dir)
    train, validation, test = (open_image_set(path).in_memory() for path in (files.train, files.validation, files.test))
    return Sets(train, validation, test)
