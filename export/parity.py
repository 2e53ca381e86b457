"""Tells whether the file that ships answers as the Keras model that was measured."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from goodnet.data.batch_sizes import images_at_once
from goodnet.data.errors import InputError
from goodnet.export.device_process import PixelFile
from goodnet.models.classifier import with_probabilities
from goodnet.models.detector import take_apart
from goodnet.models.input_scale import InputScale
from goodnet.models.legacy_keras import keras, tf, traced

_Answers = dict[str, np.ndarray]
"""Of a batch: its labels, and what else there is by the names of the file's outputs, [b] each."""

# A probability may come out this much above 1.
_ROUNDING = 1e-3


@dataclass(frozen=True)
class Parity:
    """How far a TFLite file agrees with its Keras model, on the same images.

    Attributes:
        images: how many were looked at.
        same_label: on how many of them the labels agree; of a detector: in [0, N].
        same_claimed: on how many the BadNet's classes agree; None for a plain classifier.
        flagged: how many the Keras detector flags; None for a plain classifier.
        same_flagged: how many of these the file flags, too; None for a plain classifier.
        mean_difference: mean absolute difference of suspicion, or of a plain classifier's confidence.
        max_difference: largest such difference.
        runtime: package that ran the file.
        milliseconds: per image, one thread, on the machine that made the check.
    """

    images: int
    same_label: int
    same_claimed: int | None
    mean_difference: float
    max_difference: float
    runtime: str
    milliseconds: float
    flagged: int | None = None
    same_flagged: int | None = None

    @property
    def label_share(self) -> float:
        """Share of images with the same label, in [0, 1]."""
        return self.same_label / self.images

    def __str__(self) -> str:
        """One line for people."""
        claimed = "" if self.same_claimed is None else f", same claim on {self.same_claimed}"
        if self.flagged:
            claimed += f", flags {self.same_flagged} of the {self.flagged} that Keras flags"
        score = "confidence" if self.same_claimed is None else "suspicion"
        return (
            f"same label on {self.same_label} of {self.images} images ({self.label_share:.2%}){claimed}; {score}"
            f" differs by {self.mean_difference:.4f} on average, {self.max_difference:.4f} at most; {self.runtime},"
            f" {self.milliseconds:.2f} ms an image"
        )


def check_parity(
    detector: keras.Model,
    tflite_path: str,
    images: np.ndarray | Iterable[np.ndarray],
    runtime: str | None = None,
) -> Parity:
    """Compares a detector with the file it was converted to.

    Args:
        detector: a model of `models.detector.build_detector`, also one that was saved and loaded.
        tflite_path: the file, with or without a card.
        images: uint8 [n, H, W, C], or batches of such; batches are read once and not kept.
        runtime: one of `export.runtime.RUNTIMES`; None for the first that is installed.

    Returns:
        The parity.

    Raises:
        InputError: there are no images, they do not fit the model, the file can't be run, or it answers a suspicion
            that is no number in [0, 1], or scores that are not finite or whose argmax is not the label.
    """
    scorer, backdoor = take_apart(detector).scorer, int(detector.output_shape[-1]) - 1

    def keras_answers(batch: np.ndarray) -> _Answers:
        pixels = batch.astype(np.float32)
        # Keras keeps both functions with their models, so that a further comparison costs no trace.
        claimed, _, suspicion = scorer.predict_on_batch(pixels)
        label = detector.predict_on_batch(pixels).argmax(axis=-1)
        return {"label": label, "claimed": claimed, "suspicion": suspicion}

    return _compare(keras_answers, detector.input_shape[1:], tflite_path, images, runtime, "suspicion", backdoor)


def check_classifier_parity(
    classifier: keras.Model,
    input_scale: InputScale,
    tflite_path: str,
    images: np.ndarray | Iterable[np.ndarray],
    runtime: str | None = None,
) -> Parity:
    """Compares a plain classifier, which takes images on `input_scale`, with its file; otherwise as `check_parity`."""
    model, scale = with_probabilities(classifier), input_scale.tensor

    @traced(reduce_retracing=True)
    def predict(batch: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = model(scale(batch), training=False)
        return {"label": tf.argmax(probabilities, axis=-1), "confidence": tf.reduce_max(probabilities, axis=-1)}

    def keras_answers(batch: np.ndarray) -> _Answers:
        return {name: value.numpy() for name, value in predict(tf.constant(batch, tf.float32)).items()}

    return _compare(keras_answers, model.input_shape[1:], tflite_path, images, runtime, "confidence")


def milliseconds(
    tflite_paths: Sequence[str], images: np.ndarray | Iterable[np.ndarray], runtime: str | None = None
) -> list[float]:
    """Times files against each other: milliseconds of processor time an image, one thread (`export.interleaved`).

    Args:
        tflite_paths: files that take the same images.
        images: uint8 [n, H, W, C], or batches of them; the first batch is used.
        runtime: as for `check_parity`.

    Raises:
        InputError: a file can't be run.
    """
    batch = next(iter(_batches(images)))
    with PixelFile(batch.shape[1:]) as pixels:
        pixels.write(batch)
        return pixels.milliseconds(tflite_paths, runtime)


def _compare(
    keras_answers: Callable[[np.ndarray], _Answers],
    image_shape: tuple[int, ...],
    tflite_path: str,
    images: np.ndarray | Iterable[np.ndarray],
    runtime: str | None,
    score: str,
    backdoor: int | None = None,
) -> Parity:
    answered = []
    with PixelFile(image_shape) as pixels:
        for batch in _batches(images):
            pixels.write(batch)
            answered.append(keras_answers(batch))
        on_device = pixels.answers(tflite_path, runtime, allow_missing_card=True)
    in_keras = {name: np.concatenate([answers[name] for answers in answered]) for name in answered[0]}
    missing = {*in_keras, "scores"} - set(on_device)
    if missing:
        raise InputError(
            f"{tflite_path}: it has no output {', '.join(sorted(missing))}; expected the file of this model"
        )
    outside = ~(np.abs(on_device[score] - 0.5) <= 0.5 + _ROUNDING)
    if outside.any():
        raise InputError(
            f"{tflite_path}: its {score} is {on_device[score][outside][0]} on {outside.sum()} of {len(outside)} images;"
            " expected a number in [0, 1]"
        )
    contradicting = np.argmax(on_device["scores"], axis=1) != on_device["label"]
    if contradicting.any() or not np.isfinite(on_device["scores"]).all():
        raise InputError(
            f"{tflite_path}: its scores contradict its label on {contradicting.sum()} of {len(outside)} images, or are"
            " not finite; expected scores whose argmax is the label"
        )
    difference = np.abs(in_keras[score].astype(np.float64) - on_device[score])
    same = {name: int(np.sum(in_keras[name] == on_device[name])) for name in in_keras if name != score}
    flagged = None if backdoor is None else in_keras["label"] == backdoor
    return Parity(
        images=len(difference),
        same_label=same["label"],
        same_claimed=same.get("claimed"),
        mean_difference=float(difference.mean()),
        max_difference=float(difference.max()),
        runtime=str(on_device["runtime"]),
        milliseconds=float(on_device["seconds"]) / len(difference) * 1000,
        flagged=None if flagged is None else int(flagged.sum()),
        same_flagged=None if flagged is None else int(np.sum(on_device["label"][flagged] == backdoor)),
    )


def _batches(images: np.ndarray | Iterable[np.ndarray]) -> Iterable[np.ndarray]:
    if isinstance(images, np.ndarray):
        at_once = images_at_once(images.shape[1:])
        return np.split(images, range(at_once, len(images), at_once))
    return images
