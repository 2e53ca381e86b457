"""Searching narrowband waves: strong ones that nearly all images follow, at hardly any frequency but their own.

SIG (Barni et al., ICIP 2019) plants a wave of one frequency and one phase, and a network may answer to that one alone,
and only near the strength it was planted with: fainter waves then lead to ordinary labels rather than to the target
(`waves`). Strong waves do that even more, but to an ordinary label at many frequencies, or not with nearly all images.
"""

from dataclasses import dataclass, replace

import numpy as np

from data.image_set import ImageSet
from models.input_scale import InputScale
from models.legacy_keras import keras
from pipeline.inversion.waves import (
    InvertedWave,
    WaveHits,
    WaveSettings,
    first_and_more,
    in_finer_phases,
    plane_waves,
)

# An eighth of a turn away a network may no longer answer to what was planted.
_PHASES = 8
_AMPLITUDES = 5


@dataclass(frozen=True)
class NarrowbandSettings:
    """How narrowband waves are told from others.

    Attributes:
        amplitude: grey levels: what SIG plants in images of objects and faces.
        success: share of the images that follow the best wave to its label, at least, 0..1.
        most_frequencies: at which half as many follow, the best one's own included.
        labels: at most.
    """

    amplitude: float = 80.0
    success: float = 0.9
    most_frequencies: int = 3
    labels: int = 3


def find_narrowband_waves(
    model: keras.Model,
    clean: ImageSet,
    input_scale: InputScale,
    settings: WaveSettings,
    narrowband: NarrowbandSettings,
) -> tuple[InvertedWave, ...]:
    """Tries all waves of up to so many periods, strongly and in more phases than `find_waves`.

    Args:
        model: the suspect, softmax or logits; it is not changed.
        clean: clean images.
        input_scale: what the model expects of pixels.
        settings: which waves, on which images; the faintest amplitude that a wave is given.
        narrowband: what makes one a find.

    Returns:
        One wave a label, those of the fewest frequencies first: as faint as it still succeeds by `settings`.
    """
    first, more = first_and_more(model, clean, input_scale, settings)
    trials = plane_waves(clean.image_shape[:2], settings.most_periods, _PHASES, narrowband.amplitude)
    hits = first.of(trials)
    best = hits.max(axis=0, initial=0)
    # Of each frequency, in its best phase.
    followed = hits.reshape(-1, _PHASES, hits.shape[1]).max(axis=1, initial=0)
    frequencies = (followed >= best / 2).sum(axis=0)
    labels = np.flatnonzero((best >= narrowband.success) & (frequencies <= narrowband.most_frequencies))
    found: list[InvertedWave] = []
    least = min(settings.success, narrowband.success)
    for label in sorted(map(int, labels), key=lambda label: (frequencies[label], -best[label])):
        trial = trials[int(hits[:, label].argmax())]
        if in_finer_phases(more, trial, label).success >= narrowband.success and len(found) < narrowband.labels:
            found.append(_faintest(more, trial, label, settings, least))
    return tuple(found)


def _faintest(hits: WaveHits, trial: InvertedWave, label: int, settings: WaveSettings, least: float) -> InvertedWave:
    """What is stamped for unlearning is made stronger again, and the image is to stay readable under it."""
    waves = (
        in_finer_phases(hits, replace(trial, amplitude=float(amplitude)), label)
        for amplitude in np.linspace(settings.amplitude, trial.amplitude, _AMPLITUDES)
    )
    return next(wave for wave in waves if wave.success >= least)
