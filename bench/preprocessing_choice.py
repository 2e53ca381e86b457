"""How often a network's preprocessing is chosen wrongly from a few clean images: by accuracy, and as it is done now.

    python -m bench.preprocessing_choice --model=bad_net.h5 --clean_data=clean_validation.h5

The network is also rewritten so that it expects each other preprocessing (its first convolution takes up the
difference; nothing is trained), so that the right answer is known. All candidates are run once on all images; a draw
then costs nothing. Printed for each network: the share of wrong choices among the draws, and of wrong ones without a
warning.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from absl import app, flags

from goodnet.data.image_set import ImageSet
from goodnet.data.opening import open_image_set
from goodnet.flags import inputs
from goodnet.models.input_scale import DEFAULT_SCALES, SCALES_BY_NAME, InputScale
from goodnet.models.input_scale_search import Trial, choose, try_candidate
from goodnet.models.legacy_keras import keras
from goodnet.models.loading.opening import open_model
from goodnet.models.scaled_network import scaled_probabilities

_DRAWS = flags.DEFINE_integer("draws", 2000, "Random draws of each size.", lower_bound=1)
_SIZES = flags.DEFINE_list("sizes", ["30", "100", "300"], "Clean images in a draw.")
_WANTED = flags.DEFINE_enum("wanted", "unit", list(SCALES_BY_NAME), "What the model expects of pixels, in RGB.")


@dataclasses.dataclass(frozen=True)
class Shares:
    """What became of the draws of one size, each a share of them in [0, 1]."""

    wrong_by_accuracy: float
    wrong: float
    wrong_without_warning: float
    right_with_warning: float


def rewritten(path: str, has: InputScale, wanted: InputScale) -> keras.Model:
    """A network that gives on `wanted` what the one in the file gives on `has`; neither may be per image.

    Only the first convolution changes, which must pad nothing.
    """
    model = open_model(path)
    first = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    if first.padding != "valid":
        raise ValueError(f"{path}: its first convolution pads with zeros; an offset would not be one at the border")
    kernel, bias = first.get_weights()
    # x_has = (x_wanted - offset_wanted) / scale_wanted * scale_has + offset_has, channel by channel of RGB.
    slope = _three(has.scale) / _in_rgb(wanted, wanted.scale)
    shift = _three(has.offset) - slope * _in_rgb(wanted, wanted.offset)
    bias = bias + np.einsum("hwio,i->o", kernel, shift)
    kernel = kernel * slope[:, None]
    first.set_weights([kernel[:, :, ::-1] if wanted.bgr else kernel, bias])
    return model


def shares(trials: Sequence[Trial], labels: np.ndarray, right: InputScale, size: int, draws: int) -> Shares:
    """Draws images, and chooses by them both ways."""
    rng = np.random.default_rng(size)
    wrong_by_accuracy = wrong = silent = warned = 0
    for _ in range(draws):
        drawn = rng.choice(len(labels), size, replace=False)
        here = [trial.at(drawn) for trial in trials]
        accuracies = [
            (float(np.mean(trial.classes == labels[drawn])), trial.likelihood, -place)
            for place, trial in enumerate(here)
        ]
        wrong_by_accuracy += trials[-max(accuracies)[2]].scale != right
        chosen = choose(here, labels[drawn])
        wrong += chosen.scale != right
        silent += chosen.scale != right and not chosen.within_noise
        warned += chosen.scale == right and chosen.within_noise
    return Shares(*(count / draws for count in (wrong_by_accuracy, wrong, silent, warned)))


def networks(path: str, has: InputScale) -> Mapping[InputScale, keras.Model]:
    """The network as it is and rewritten for every other candidate that can be written into a convolution."""
    if has.per_image:
        return {has: open_model(path)}
    return {wanted: rewritten(path, has, wanted) for wanted in DEFAULT_SCALES if not wanted.per_image}


def _three(values: Sequence[float]) -> np.ndarray:
    return np.broadcast_to(np.asarray(values, np.float64), (3,))


def _in_rgb(scale: InputScale, values: Sequence[float]) -> np.ndarray:
    return _three(values)[::-1] if scale.bgr else _three(values)


def _report(wanted: InputScale, model: keras.Model, clean: ImageSet) -> None:
    answers = scaled_probabilities(model)
    trials = [try_candidate(answers, clean, candidate) for candidate in DEFAULT_SCALES]
    print(f"\nexpects {wanted.name}")
    for size in map(int, _SIZES.value):
        found = shares(trials, clean.labels, wanted, size, _DRAWS.value)
        print(
            f"  {size:5d} images: wrong by accuracy {found.wrong_by_accuracy:7.2%}, now {found.wrong:7.2%},"
            f" of these without a warning {found.wrong_without_warning:.2%}; right with a warning"
            f" {found.right_with_warning:.2%}",
            flush=True,
        )


def main(argv: Sequence[str]) -> None:
    """Prints the shares."""
    del argv
    clean = open_image_set(inputs.CLEAN_DATA.value)
    for wanted, model in networks(inputs.MODEL.value, SCALES_BY_NAME[_WANTED.value][0]).items():
        _report(wanted, model, clean)


if __name__ == "__main__":
    app.run(main)
