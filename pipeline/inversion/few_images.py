"""Random variants of images where there are few: a trigger that is fitted to five pictures alone fits nothing else.

With five faces, a little noise leads each of them to any class, and leads no other face there. With shifted, mirrored
and relit variants the search has to find what works on faces at large, as the attacker's trigger does.
"""

import numpy as np

from goodnet.data.image_set import ImageSet, from_arrays

_SHIFT = 0.06  # of height and width, in either direction
_CONTRAST = 0.3
_BRIGHTNESS = 30.0  # pixel values


def with_variants(images: ImageSet, least: int, seed: int) -> ImageSet:
    """The images, followed by variants of them if they are fewer than `least`.

    Args:
        images: at least one.
        least: how many there are to be.
        seed: of the variants.
    """
    count = len(images)
    if count >= least:
        return images
    rng = np.random.default_rng([seed, 4])
    originals = images.images()
    sources = np.arange(least - count) % count
    variants = np.stack([_varied(originals[source], rng) for source in sources])
    labels = np.concatenate([images.labels, images.labels[sources]])
    return from_arrays(images.name, np.concatenate([originals, variants]), labels)


def _varied(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width, _ = image.shape
    if rng.random() < 0.5:
        image = image[:, ::-1]
    rows, columns = (int(np.ceil(_SHIFT * extent)) for extent in (height, width))
    padded = np.pad(image, ((rows, rows), (columns, columns), (0, 0)), mode="edge")
    top, left = rng.integers(2 * rows + 1), rng.integers(2 * columns + 1)
    moved = padded[top : top + height, left : left + width].astype(np.float32)
    contrast = rng.uniform(1 - _CONTRAST, 1 + _CONTRAST)
    lit = (moved - 128) * contrast + 128 + rng.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    return np.rint(lit).clip(0, 255).astype(np.uint8)
