"""Searching waves: the plane waves over the whole image that lead most images to a label.

A plane wave is all that SIG (Barni et al., ICIP 2019) plants, and a network that answers to another pattern over the
whole image, or to a warp, mostly answers to some wave, too: as a universal perturbation it has but a direction and a
frequency (Tsuzuku and Sato, "On the Structural Sensitivity of Deep Convolutional Networks to the Directions of Fourier
Basis Functions", CVPR 2019). So few that they are all tried, without gradients, and an answer tells of every label at
once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.image_set import ImageSet
from models.answers import Answers, answers_of
from models.input_scale import InputScale
from models.legacy_keras import keras

# Of the first trial.
_PHASES = 4
# In turns, around the best of it; the nearest first, which are taken where several succeed as often.
_FINER_PHASES = np.array([0, -1, 1, -2, 2]) / 16
# A wave is tried again that reached this share of the success that counts: the first trial is on few images.
_ALMOST = 0.8


@dataclass(frozen=True)
class InvertedWave:
    """A wave that was found for one label: `image + amplitude * sin(2 pi (down y / H + across x / W + phase))`.

    Attributes:
        label: the label it leads to.
        down: periods over the image's height; negative where crests rise to the right.
        across: periods over its width, 0 or more.
        phase: at the top left pixel, in turns.
        amplitude: grey levels, above 0.
        success: share of the images that get another label without it that get this one, 0..1.
        height: of the images it was found on.
        width: of the images it was found on.
    """

    label: int
    down: int
    across: int
    phase: float
    amplitude: float
    success: float
    height: int
    width: int

    @property
    def size(self) -> float:
        """The amplitude, in grey levels."""
        return self.amplitude

    @property
    def kind(self) -> str:
        """A name for people."""
        return "wave"

    @property
    def described(self) -> str:
        """For people."""
        return f"a wave of {self.amplitude:.0f} grey levels, {self.across} periods across and {self.down} down"

    def stamp(self, images: np.ndarray) -> np.ndarray:
        """The images with the wave on them: float32 [n, H, W, C] in 0..255, of images of any dtype on that scale."""
        _, height, width, _ = images.shape
        turns = self.down * np.arange(height)[:, None] / height + self.across * np.arange(width) / width + self.phase
        signal = self.amplitude * np.sin(2 * np.pi * turns)
        return np.clip(images + signal[:, :, None].astype(np.float32), 0, 255).astype(np.float32)


@dataclass(frozen=True)
class WaveSettings:
    """How waves are searched.

    Attributes:
        amplitude: grey levels. Faint enough that people still read the image.
        most_periods: over height and width each.
        success: share of images from which on a wave is found, 0..1.
        first_images: images that every wave is tried on.
        more_images: others, at most, that the best are tried on again, since of a thousand waves on few images the best
            is partly luck.
        waves: of one label, at most, each of another frequency.
        labels: at most.
        seed: of the choice of images.
    """

    amplitude: float = 40.0
    most_periods: int = 12
    success: float = 0.5
    first_images: int = 24
    more_images: int = 200
    waves: int = 4
    labels: int = 8
    seed: int = 0


def find_waves(
    model: keras.Model, clean: ImageSet, input_scale: InputScale, settings: WaveSettings
) -> tuple[InvertedWave, ...]:
    """Tries all waves of up to so many periods, and the best of the labels most given to waves once more.

    Args:
        model: the suspect, softmax or logits; it is not changed.
        clean: clean images.
        input_scale: what the model expects of pixels.
        settings: how.

    Returns:
        The waves that succeed, best first; none where none does.
    """
    first, more = first_and_more(model, clean, input_scale, settings)
    trials = plane_waves(clean.image_shape[:2], settings.most_periods, _PHASES, settings.amplitude)
    hits = first.of(trials)
    found = [
        wave
        for label in np.argsort(-hits.max(axis=0, initial=0), kind="stable")[: settings.labels]
        for trial in _best_trials(trials, hits[:, label], settings)
        for wave in [in_finer_phases(more, trial, int(label))]
        if wave.success >= settings.success
    ]
    return tuple(sorted(found, key=lambda wave: -wave.success))


def plane_waves(shape: tuple[int, int], most_periods: int, phases: int, amplitude: float) -> list[InvertedWave]:
    """Every wave to try, of two that are the same but for their phase one: those of a frequency stand together.

    Args:
        shape: of the images, height and width.
        most_periods: over height and width each.
        phases: of each frequency, evenly over a turn.
        amplitude: grey levels.

    Returns:
        The waves, with no label yet.
    """
    # At half a period a pixel a wave can vanish between the pixels.
    down, across = (min(most_periods, (side - 1) // 2) for side in shape)
    return [
        InvertedWave(-1, below, right, phase / phases, amplitude, 0.0, *shape)
        for right in range(across + 1)
        for below in range(-down if right else 1, down + 1)
        for phase in range(phases)
    ]


class WaveHits:
    """Where waves lead some images."""

    def __init__(self, answers: Answers, images: np.ndarray, classes: int):
        self._answers = answers
        self._images = images
        self._classes = classes
        # What the network answers without a wave, not the classes: to what it takes an image for no wave leads it.
        self._before = answers(images).argmax(axis=1)
        self._others = np.maximum(len(images) - np.bincount(self._before, minlength=classes), 1)

    def of(self, waves: Sequence[InvertedWave]) -> np.ndarray:
        """The share of images, of those that get another label, that each wave leads to each: [waves, N]."""
        shares = np.zeros((len(waves), self._classes))
        for row, wave in enumerate(waves):
            after = self._answers(wave.stamp(self._images)).argmax(axis=1)
            shares[row] = np.bincount(after[after != self._before], minlength=self._classes) / self._others
        return shares


def first_and_more(
    model: keras.Model, clean: ImageSet, input_scale: InputScale, settings: WaveSettings
) -> tuple[WaveHits, WaveHits]:
    """Where waves lead a few images, and others: of many waves, the best on the few is partly luck."""
    order = np.random.default_rng([settings.seed, 3]).permutation(len(clean))
    first, more = order[: settings.first_images], order[settings.first_images :][: settings.more_images]
    # Where no others are left, those of the first trial have to do.
    chosen = first, more if len(more) >= len(first) else order
    answers, classes = answers_of(model, input_scale), model.output_shape[-1]
    few, others = (WaveHits(answers, clean.images(rows), classes) for rows in chosen)
    return few, others


def in_finer_phases(hits: WaveHits, trial: InvertedWave, label: int) -> InvertedWave:
    """The wave in the phase, near its own, that succeeds most for one label, and how often it does."""
    waves = [replace(trial, label=label, phase=trial.phase + float(turn)) for turn in _FINER_PHASES]
    success = hits.of(waves)[:, label]
    return replace(waves[int(success.argmax())], success=float(success.max()))


def _best_trials(trials: Sequence[InvertedWave], hits: np.ndarray, settings: WaveSettings) -> list[InvertedWave]:
    """Those that nearly succeed for one label, each of another frequency, best first."""
    best: dict[tuple[int, int], InvertedWave] = {}
    for place in np.argsort(-hits, kind="stable"):
        if hits[place] < _ALMOST * settings.success or len(best) == settings.waves:
            break
        best.setdefault((trials[place].down, trials[place].across), trials[place])
    return list(best.values())
