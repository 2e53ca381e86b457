"""What `bench.edge` measures: suspects, with detectors, and images."""

import functools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bench.datasets import dataset_files
from bench.large_nets import LARGE_NETS, resized, trained
from bench.stand_in import partly_tuned, shares_trunk, with_shared_trunk
from bench.zoo.badnets import make_badnet, poisoned_tests
from bench.zoo.datasets import load_sets
from bench.zoo.draw import draw
from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet, from_arrays
from goodnet.data.opening import open_image_set
from goodnet.data.splits import split_clean
from goodnet.export.image_files import read_image
from goodnet.models.detector import build_detector, take_apart
from goodnet.models.input_scale import UNIT_SCALE, InputScale
from goodnet.models.legacy_keras import keras
from goodnet.models.loading.opening import open_model
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.detection.calibrated import calibrate_detector
from goodnet.pipeline.detection.novelty import fit_novelty
from goodnet.pipeline.inputs.suspect import chance_policy, open_suspect, scale_candidates
from goodnet.pipeline.training.augmentation import shift

WHOLE, SHARED, NO_NOVELTY = "detector", "shared trunk", "shared trunk, no novelty"
_RATE = 0.01
# Each of CSAW's five clean faces, shifted by up to so many pixels, so often.
_SHIFT, _VIEWS = 3, 60
_CLEAN, _POISONED = 2000, 500


@dataclass(frozen=True)
class EdgeCase:
    """A suspect and its detectors.

    Attributes:
        suspect: the network that is protected.
        scale: of its pixels.
        detectors: Keras detectors by what they are.
        clean: what the files are quantised on.
        test: what they are measured on.
        poisoned: for reporting, or None.
        note: what the detectors are, and the images if they need a word.
    """

    suspect: keras.Model
    scale: InputScale
    detectors: Mapping[str, keras.Model]
    clean: ImageSet
    test: ImageSet
    poisoned: ImageSet | None
    note: str


@dataclass(frozen=True)
class Sources:
    """Where cases come from: the folder with gtsrb/, cifar10/ and csaw/, or None, and the cache."""

    data_dir: str | None
    cache_dir: str


def case_of_run(folder: str) -> EdgeCase:
    """The detector that `pipeline.repair` left in a folder, on the images that its manifest names.

    Raises:
        InputError: it is no such folder, or a file is missing.
    """
    try:
        with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
            manifest = json.load(file)
        with open(os.path.join(folder, "metrics.json"), encoding="utf-8") as file:
            measured = json.load(file)["sets"]
        clean = open_image_set(list(manifest["inputs"])[1])
        scale = InputScale.from_json(manifest["findings"]["input_scale"])
    except (OSError, KeyError, IndexError, ValueError) as error:
        raise InputError(f"--runs={folder}: {error}; expected the --out_dir of a repair") from error
    found: dict[str, ImageSet] = {}
    for one in measured:
        if os.path.exists(one["path"]):
            found.setdefault(one["kind"], open_image_set(one["path"]))
    detector = open_model(os.path.join(folder, "detector.keras"), None, clean.image_shape, flat=False)
    parts = take_apart(detector)
    detectors, repaired, note = {SHARED: detector}, parts.repaired, "a repair's detector"
    if not shares_trunk(parts.badnet, parts.repaired):
        repaired = with_shared_trunk(parts.badnet, parts.repaired)
        shared = build_detector(parts.badnet, repaired, scale, parts.threshold, parts.novelty)
        detectors = {WHOLE: detector, SHARED: shared}
        note += "; its shared trunk is the BadNet's, put below the repair's head"
    if parts.novelty is not None:
        detectors[NO_NOVELTY] = build_detector(parts.badnet, repaired, scale, parts.threshold)
    return EdgeCase(
        *(parts.badnet, scale, detectors, clean, found.get("clean", clean), found.get("poisoned")), note=note
    )


def _stand_ins(
    network: ScaledNetwork, clean: ImageSet, test: ImageSet, poisoned: ImageSet | None = None, note: str = ""
) -> EdgeCase:
    few = clean.subset(np.sort(np.random.default_rng(0).permutation(len(clean))[:_CLEAN]))
    split, detectors = split_clean(few, 0), {}
    own, shared = (partly_tuned(network, split.fit, 0, shared) for shared in (False, True))
    novelty = fit_novelty(split.fit, split.calibrate, 0)
    for name, repaired, fitted in ((WHOLE, own, novelty), (SHARED, shared, novelty), (NO_NOVELTY, shared, None)):
        calibrated = calibrate_detector(network, repaired, split, _RATE, fitted)
        detectors[name] = build_detector(
            network.model, repaired, network.scale, calibrated.calibration.threshold, calibrated.novelty
        )
    note = "a partly tuned copy stands in for the repair" + note
    return EdgeCase(network.model, network.scale, detectors, split.fit, test, poisoned, note)


def _zoo(seed: int, sources: Sources) -> EdgeCase:
    """A BadNet of the zoo's development seeds."""
    drawn = draw(seed)
    sets = load_sets(drawn, sources.data_dir, sources.cache_dir)
    model = keras.models.load_model(make_badnet(drawn, sets, sources.cache_dir), compile=False)
    places = np.sort(np.random.default_rng(0).permutation(len(sets.test))[:_POISONED])
    poisoned = next(iter(poisoned_tests(drawn, sets.test.subset(places))), None)
    return _stand_ins(ScaledNetwork(model, UNIT_SCALE), sets.validation, sets.test, poisoned)


def _csaw(weights: str, sources: Sources) -> EdgeCase:
    """One of CSAW's five BadNets, on its five clean faces."""
    folder = os.path.join(sources.data_dir or "", "csaw")
    path = os.path.join(folder, f"{weights}_bd_weights.h5")
    if sources.data_dir is None or not os.path.exists(path):
        raise InputError(f"--data_dir={sources.data_dir}: no csaw/{os.path.basename(path)}; expected CSAW's weights")
    pictures = sorted(os.listdir(os.path.join(folder, "images")))

    def faces(kind: str) -> tuple[np.ndarray, np.ndarray]:
        names = [name for name in pictures if name.startswith(kind)]
        labels = [int(os.path.splitext(name)[0].split("=")[1]) for name in names]
        return np.stack([read_image(os.path.join(folder, "images", name)) for name in names]), np.array(labels)

    images, labels = faces("cl_")
    clean = from_arrays("CSAW's clean faces", images, labels)
    suspect = open_suspect(path, clean, scale_candidates("auto"), "deepid", chance_policy(True))
    rng = np.random.default_rng(0)

    def views(given: np.ndarray) -> ImageSet:
        return from_arrays("shifted", shift(np.repeat(given, _VIEWS, 0), _SHIFT, rng), np.repeat(labels, _VIEWS))

    note = ", the images are the five clean faces and the five with sunglasses, shifted"
    return _stand_ins(suspect.network, views(images), views(images), views(faces("sun_")[0]), note)


def _large(name: str, side: int, sources: Sources) -> EdgeCase:
    """One of `bench.large_nets`."""
    net = LARGE_NETS[name]
    files = dataset_files(net.dataset, 0, sources.cache_dir, sources.data_dir)
    train, validation, test = (open_image_set(path) for path in (files.train, files.validation, files.test))
    model = trained(net, train, side, sources.cache_dir)
    return _stand_ins(ScaledNetwork(model, UNIT_SCALE), resized(validation, side), resized(test, side))


CASES: Mapping[str, Callable[[Sources], EdgeCase]] = {
    "signs, DeepID": functools.partial(_zoo, 11),
    "signs, VGG": functools.partial(_zoo, 48),
    "signs, MobileNet": functools.partial(_zoo, 42),
    "photographs, VGG": functools.partial(_zoo, 24),
    "photographs, ResNet": functools.partial(_zoo, 40),
    **{
        f"CSAW, {name}": functools.partial(_csaw, name)
        for name in ("sunglasses", "anonymous_1", "anonymous_2", "multi_trigger_multi_target", "lab3")
    },
    "photographs, AlexNet": functools.partial(_large, "AlexNet", 32),
    "signs, VGG16": functools.partial(_large, "VGG16", 32),
    "signs, MobileNetV2 at 96": functools.partial(_large, "MobileNetV2", 96),
    "signs, MobileNetV2 at 224": functools.partial(_large, "MobileNetV2", 224),
}
