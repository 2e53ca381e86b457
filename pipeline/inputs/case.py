"""What a run works on: the suspect and the image sets, as files or in memory."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from goodnet.data.class_names import against
from goodnet.data.fitting import fitted
from goodnet.data.image_set import ImageSet
from goodnet.data.opening import open_image_set
from goodnet.data.reading_options import AS_STORED, ReadingOptions
from goodnet.data.use import Use
from goodnet.pipeline.run.output_files import sha256_of
from goodnet.pipeline.run.progress import log

_BATCH = 256


@dataclass(frozen=True)
class Case:
    """What a run works on. A set of images is a path, or an `ImageSet`.

    Attributes:
        model: path of the suspect.
        clean: clean images to repair with.
        test: more clean images, only measured on; or None.
        poisoned: sets that carry triggers, only measured on.
        targets: for each of them the attacker's target, a label or a class name, if the set is sorted by true class;
            else None. Empty: None for all.
        class_names: a file with the names of the model's classes; None for those of the clean images.
        model_name: what messages and the report call the model; None for its path.
    """

    model: str
    clean: str | ImageSet
    test: str | ImageSet | None = None
    poisoned: tuple[str | ImageSet, ...] = ()
    targets: tuple[str | None, ...] = ()
    class_names: str | None = None
    model_name: str | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """Every file and folder that the run reads."""
        given = (self.model, self.clean, self.test, self.class_names, *self.poisoned)
        return tuple(one for one in given if isinstance(one, str))

    def decided_by(self) -> dict[str, str]:
        """SHA-256 by name of all inputs that decide the result; sets that are only measured on do not."""
        model = {self.model_name or self.model: sha256_of(self.model)}
        return {**model, **digests([one for one in (self.clean, self.class_names) if one is not None])}

    def measured_on(self) -> dict[str, str]:
        """SHA-256 by name of the sets that are only measured on."""
        return digests([one for one in (self.test, *self.poisoned) if one is not None])


def opened(
    given: str | ImageSet,
    skip_broken_images: bool,
    class_names: tuple[str, ...] | None,
    options: ReadingOptions = AS_STORED,
    use: Use = Use.CLEAN,
) -> ImageSet:
    """A set of images, opened if it is a path; arguments and errors as for `data.opening.open_image_set`."""
    if isinstance(given, ImageSet):
        return against(given, class_names)
    return open_image_set(given, skip_broken_images, class_names, options, use)


def as_taken(images: ImageSet, image_shape: tuple[int, int, int]) -> ImageSet:
    """A set as a model takes it (see `data.fitting.fitted`); the log says what is done to its images."""
    found = fitted(images, image_shape)
    (height, width, channels), size = images.image_shape, image_shape[:2]
    if found.image_shape[:2] != (height, width):
        log.info("%s: images are scaled to the model's %d x %d pixels", images.name, *size)
    if found.image_shape[2] != channels:
        log.info(
            "%s: pictures are read in %s, as the model takes them", images.name, "grey" if channels == 3 else "RGB"
        )
    return found


def name_of(given: str | ImageSet) -> str:
    """The path of a set, or the name of one in memory."""
    return given.name if isinstance(given, ImageSet) else given


def digests(given: Iterable[str | ImageSet]) -> dict[str, str]:
    """SHA-256 by name."""
    return {name_of(one): _digest_of_images(one) if isinstance(one, ImageSet) else sha256_of(one) for one in given}


def _digest_of_images(images: ImageSet) -> str:
    """SHA-256 of a set's shape, pixels, labels and class names, in hex."""
    digest = hashlib.sha256(repr((images.source.shape, images.class_names)).encode())
    for pixels, labels in images.batches(_BATCH):
        digest.update(np.ascontiguousarray(pixels).data)
        digest.update(np.ascontiguousarray(labels, "<i8").data)
    if images.true_labels is not None:
        digest.update(np.ascontiguousarray(images.true_labels, "<i8").data)
    return digest.hexdigest()
