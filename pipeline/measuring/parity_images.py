"""The images that a file for the device is held against its Keras model on: clean ones, and stamped ones.

None of them is poisoned: what is stamped is drawn at random (`export.disagreements`), or was inverted by the repair.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from goodnet.data.batch_sizes import images_at_once
from goodnet.data.image_set import ImageSet
from goodnet.export.disagreements import stamped
from goodnet.pipeline.inversion.trigger import InvertedTrigger


def clean_batches(clean: ImageSet, places: np.ndarray) -> Iterator[np.ndarray]:
    """Images at some places, uint8 [n, H, W, C] each."""
    return (images for images, _ in clean.batches(images_at_once(clean.image_shape), places))


def stamped_batches(
    clean: ImageSet, places: np.ndarray, seed: int, triggers: Sequence[InvertedTrigger] = ()
) -> Iterator[np.ndarray]:
    """The same images, each with a stamp drawn at random; then, for each inverted trigger, a share of them with it.

    Args:
        clean: the images.
        places: which.
        seed: of what is drawn.
        triggers: those that a repair inverted.

    Returns:
        Batches uint8 [n, H, W, C]; of the triggers together no more images than there are places, but one each.
    """
    rng, at_once = np.random.default_rng([seed, 4]), images_at_once(clean.image_shape)
    for images, _ in clean.batches(at_once, places):
        yield stamped(images, rng)
    for number, trigger in enumerate(triggers):
        for images, _ in clean.batches(at_once, places[number % len(places) :: len(triggers)]):
            yield np.rint(trigger.stamp(images)).clip(0, 255).astype(np.uint8)
