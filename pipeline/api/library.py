"""The job on objects in memory: `audit`, `repair` and `detect`, for notebooks and programs.

    verdict = audit(model, images, labels)
    result = repair(model, images, labels, test=(more_images, more_labels))
    found = detect(result.detector, other_images)

**Models** are functional or Sequential models of Keras 2 (`tf_keras`) or Keras 3 (`keras`), or paths of model files. A
model in memory is written to a file and opened as every suspect is, though whoever built it has run it already. So the
same layers are allowed, with the same checks and the same limits of cost.

**Images** are raw pixels: uint8 [N, H, W, C], RGB or grey, or floats and wider integers in 0..255, which are rounded.
Floats that all lie in 0..1 are taken times 255. What the model expects of pixels (0..1, -1..1,
standardised, BGR ...) is found on the labelled images; `input_scale` and `channel_order` force it. **Labels** are class
numbers [N] or [N, 1], or one-hot [N, classes].

Every function leaves random states, Keras' settings, log levels and the working directory as it found them, and uses
the devices as the caller has set them. It writes to a temporary folder. The same seed gives the same result, which is
the result of the command on the same inputs. Errors that the caller can mend are an `InputError`, a `ValueError` of one
line that begins with the argument.

Importing this has lasting effects: it raises Python's recursion limit, and sets TF_USE_LEGACY_KERAS=1, as tfmot itself
does. So `tf.keras` is Keras 2, unless something has used it as Keras 3 before; `keras` stays Keras 3. A process that
opens models is started once, and ends with this one.
"""

import contextlib
import dataclasses
import functools
import inspect
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet
from goodnet.data.reading_options import ReadingOptions
from goodnet.export.bundle import read_card
from goodnet.export.regular_files import open_regular
from goodnet.models.detector import is_detector
from goodnet.models.legacy_keras import keras, tf
from goodnet.models.loading.opening import open_model
from goodnet.pipeline.api.arguments import speaking_of_arguments
from goodnet.pipeline.api.caller_state import caller_state_kept
from goodnet.pipeline.api.given_images import Images, Labels, given_set, unlabelled
from goodnet.pipeline.api.keras_models import is_keras_3, write_model
from goodnet.pipeline.api.results import AuditVerdict, Detections, OwnFolder, RepairResult
from goodnet.pipeline.api.setting_ranges import checked
from goodnet.pipeline.audit_steps import AuditOptions, open_audit
from goodnet.pipeline.inputs.case import Case, opened
from goodnet.pipeline.inputs.suspect import scale_candidates
from goodnet.pipeline.measuring.predictions import StagePredictions, predict_detector, predict_on_device
from goodnet.pipeline.methods.repair_method import RepairSettings
from goodnet.pipeline.repair_steps import Options
from goodnet.pipeline.repair_steps import repair as run_repair
from goodnet.pipeline.reporting.evidence import trigger_examples
from goodnet.pipeline.reporting.run_record import RunRecord
from goodnet.pipeline.run.output_files import check_inputs
from goodnet.pipeline.training.devices import devices_of

_P = ParamSpec("_P")
_R = TypeVar("_R")
# How a person says what the model expects of pixels: `Options.scales` in words.
_SCALE_WORDS = {"input_scale": "auto", "channel_order": "auto", "mean": None, "std": None}
# How images are read that a path names: `Options.reading` in words.
_READING_WORDS = {field.name: field.default for field in dataclasses.fields(ReadingOptions)}
# What the functions themselves decide.
_OWN = ("out_dir", "settings", "scales", "resume", "skip_broken_images", "reading", "precision", "precision_may_change")


def _defaults(*kinds: type) -> dict[str, Any]:
    """The settings that a caller may give, with their defaults."""
    found = {one.name: one.default for kind in kinds for one in dataclasses.fields(kind) if one.name not in _OWN}
    return {**found, **_SCALE_WORDS, **_READING_WORDS}


_AUDIT_SETTINGS = _defaults(AuditOptions)
# A precision that is asked for is the one that is written; without one, a higher one where int8 does not do.
_REPAIR_SETTINGS = {**_defaults(Options, RepairSettings), "precision": None}


def _takes(settings: Mapping[str, Any]) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Shows settings and their defaults in a function's signature, and refuses others."""

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        more = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=settings[name]) for name in settings]
        full = signature.replace(parameters=[*own, *more])

        @functools.wraps(function)
        def checking(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            try:
                full.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{function.__name__}() {error}") from None
            return function(*args, **kwargs)

        checking.__signature__ = full  # type: ignore[attr-defined]
        return checking

    return decorate


@_takes(_AUDIT_SETTINGS)
def audit(
    model: Any,
    images: Images,
    labels: Labels = None,
    *,
    class_names: Sequence[str] | None = None,
    verbose: bool = False,
    **settings: Any,
) -> AuditVerdict:
    """Says whether a model is backdoored and towards which labels; as the command `audit`.

    Args:
        model: a model of Keras 2 or Keras 3, or the path of a model file (see the module).
        images: clean images that the model was made for (see the module); an `ImageSet`, or the path of one.
        labels: their true classes (see the module).
        class_names: a name for each class, for display.
        verbose: write progress to stderr.
        **settings: the fields of `AuditOptions`, `input_scale`, `channel_order`, `mean` and `std` in place of `scales`,
            and `resize`, `exif_orientation`, `crop_to_roi` and `clean_part` of images that a path names: as the flags
            of these names.

    Returns:
        The verdict with its evidence.

    Raises:
        InputError: an argument is not what is described here, or the model is not one that can be opened.
        TypeError: there is no such setting.
    """
    with _called(verbose), tempfile.TemporaryDirectory(prefix="goodnet-") as folder:
        options = AuditOptions(**_values(settings, _AUDIT_SETTINGS))
        case = _case(folder, model, images, labels, class_names, options.reading)
        check_inputs(case.paths)
        prepared = open_audit(case, options)
        evidence = prepared.find_evidence()
        record = RunRecord(
            model=prepared.suspect.path,
            created="",
            method="",
            class_names=prepared.clean.class_names,
            evidence=evidence,
            triggers=trigger_examples(evidence, prepared.clean),
        )
        return AuditVerdict(evidence, prepared.suspect.network.scale, record)


@_takes(_REPAIR_SETTINGS)
def repair(
    model: Any,
    images: Images,
    labels: Labels = None,
    *,
    test: Any = None,
    poisoned: Any = None,
    target: str | int | None = None,
    class_names: Sequence[str] | None = None,
    strategy: tf.distribute.Strategy | None = None,
    verbose: bool = False,
    **settings: Any,
) -> RepairResult:
    """Repairs a model, calibrates a detector, converts it for the device and measures all of them; as `repair` does.

    Args:
        model: a model of Keras 2 or Keras 3, or the path of a model file (see the module). It is not changed.
        images: clean images that the model was made for (see the module); an `ImageSet`, or the path of one. They are
            split by the seed: the repair sees 70 %, the threshold 15 %, the figures come from the rest.
        labels: their true classes (see the module).
        test: more clean images, only measured on: a pair (images, labels), an `ImageSet` or a path.
        poisoned: images that carry a trigger, only measured on when all is decided: as `test`, or several by name. With
            `target` their labels are the true classes, without it what the attacker wants.
        target: the attacker's label, or its class name.
        class_names: a name for each class.
        strategy: how to train on several devices; None for one.
        verbose: write progress to stderr.
        **settings: the fields of `Options` and `RepairSettings`, `input_scale`, `channel_order`, `mean` and `std` in
            place of `scales`, and `resize`, `exif_orientation`, `crop_to_roi` and `clean_part` of images that a path
            names: as the flags of these names. `precision` None writes int8, or a higher precision where
            int8 does not answer as the Keras detector.

    Returns:
        The repaired model, the detector, the figures and the report.

    Raises:
        InputError: an argument is not what is described here, the model is not one that can be opened, or it is no
            better than chance on the images.
        TypeError: there is no such setting.
    """
    with _called(verbose), tempfile.TemporaryDirectory(prefix="goodnet-") as given, _kept_if_finished() as folder:
        options = _options(folder.path, settings)
        case = _case(given, model, images, labels, class_names, options.reading)
        names = case.clean.class_names if isinstance(case.clean, ImageSet) else None
        stamped = _named_sets(poisoned, names)
        case = dataclasses.replace(
            case,
            test=None if test is None else _set("test", test, names),
            poisoned=stamped,
            targets=(None if target is None else str(target),) * len(stamped),
        )
        check_inputs(case.paths)
        result = run_repair(case, options, devices_of(strategy))
        record, scale = result.record, result.record.scale
        assert scale is not None
        verdict = None if record.evidence is None else AuditVerdict(record.evidence, scale.chosen, record)
        return RepairResult(
            verdict, result.evaluation, result.table, scale.chosen, record, case, folder, is_keras_3(model)
        )


def detect(detector: Any, images: Images, *, verbose: bool = False) -> Detections:
    """Judges images with a detector.

    Args:
        detector: a `RepairResult`'s detector, or the path of a detector.keras or detector.tflite. The latter runs in a
            TFLite runtime, as on a device, and answers as it does there.
        images: raw pixels, uint8 [n, H, W, C], or floats and wider integers in 0..255 (see the module); an `ImageSet`,
            or the path of one.
        verbose: write progress to stderr.

    Returns:
        The labels, N where an image carries a trigger, and the scores.

    Raises:
        InputError: it is no detector, or the images are not of its size.
    """
    with _called(verbose):
        given = unlabelled("images", images)
        image_set = opened(given, skip_broken_images=True, class_names=None)
        found = _predictions(detector, image_set)
        assert found.suspicion is not None and found.backdoor_label is not None
        return Detections(found.labels, found.suspicion, found.backdoor_label)


@contextlib.contextmanager
def _called(verbose: bool) -> Iterator[None]:
    if tf.distribute.has_strategy():
        # Every variable would be one of that strategy, those of a training's bookkeeping too.
        raise InputError("strategy: called in a strategy's scope; expected the strategy as an argument of `repair`")
    with caller_state_kept(), speaking_of_arguments(verbose):
        yield


@contextlib.contextmanager
def _kept_if_finished() -> Iterator[OwnFolder]:
    folder = OwnFolder()
    try:
        yield folder
    except BaseException:
        # Whoever keeps the traceback keeps the object.
        folder.remove()
        raise


def _values(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, checked, with `scales` and `reading` for the words that say it."""
    values = {name: checked(name, value, defaults[name]) for name, value in given.items()}
    scale, order, mean, std = (values.pop(name, default) for name, default in _SCALE_WORDS.items())
    reading = ReadingOptions(**{name: values.pop(name, default) for name, default in _READING_WORDS.items()})
    return {**values, "scales": scale_candidates(scale, mean, std, order), "reading": reading}


def _options(out_dir: str, given: Mapping[str, Any]) -> Options:
    values = _values(given, _REPAIR_SETTINGS)
    of_method = {one.name: values.pop(one.name) for one in dataclasses.fields(RepairSettings) if one.name in values}
    if (layers := of_method.get("pruned_layers")) is not None:
        of_method["pruned_layers"] = tuple(layers)
    precision = values.pop("precision", None)
    if precision is not None:
        values.update(precision=precision, precision_may_change=False)
    return Options(out_dir=out_dir, settings=RepairSettings(**of_method), **values)


def _case(
    folder: str,
    model: Any,
    images: Images,
    labels: Labels,
    class_names: Sequence[str] | None,
    reading: ReadingOptions,
) -> Case:
    is_path = isinstance(model, str | os.PathLike)
    path = os.fspath(model) if is_path else write_model(model, folder, "model")
    clean = given_set("images", images, labels)
    if class_names is not None:
        clean = opened(clean, skip_broken_images=True, class_names=tuple(map(str, class_names)), options=reading)
    return Case(path, clean, model_name=None if is_path else "model")


def _set(name: str, given: Any, class_names: tuple[str, ...] | None) -> str | ImageSet:
    if isinstance(given, tuple | list):
        if len(given) != 2:
            raise InputError(f"{name}: {len(given)} values; expected a pair, images and labels")
        images, labels = given
        return given_set(name, images, labels, class_names)
    return given_set(name, given, None)


def _named_sets(poisoned: Any, class_names: tuple[str, ...] | None) -> tuple[str | ImageSet, ...]:
    if poisoned is None:
        return ()
    named = poisoned if isinstance(poisoned, Mapping) else {"poisoned": poisoned}
    return tuple(_set(name, given, class_names) for name, given in named.items())


def _predictions(detector: Any, images: ImageSet) -> StagePredictions:
    if isinstance(detector, str | os.PathLike):
        path = os.fspath(detector)
        if _is_tflite(path):
            return _device_predictions(path, images)
        detector = open_model(path, flat=False)
        _check_detector(detector, path)
    else:
        _check_detector(detector, "detector")
    _check_shape(images, detector.input_shape[1:])
    return predict_detector(detector, images)


def _check_detector(detector: Any, name: str) -> None:
    if not isinstance(detector, keras.Model) or not is_detector(detector):
        raise InputError(f"{name}: no detector; expected one that a repair made, or the path of one (.keras, .tflite)")


def _is_tflite(path: str) -> bool:
    try:
        with open_regular(path) as file:
            return file.read(8)[4:] == b"TFL3"
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}; expected a detector's file") from error


def _device_predictions(path: str, images: ImageSet) -> StagePredictions:
    try:
        card = read_card(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error
    if card is None or card.threshold is None:
        raise InputError(f"{path}: no detector, or its end is cut off; expected a file as the exporter wrote it")
    _check_shape(images, card.image_shape)
    return predict_on_device(path, card.classes, images)


def _check_shape(images: ImageSet, wanted: Sequence[int]) -> None:
    if images.image_shape != tuple(wanted):
        shapes = (" x ".join(map(str, shape)) for shape in (images.image_shape, wanted))
        raise InputError(f"{images.name}: images of {next(shapes)}; expected {next(shapes)}, which the detector takes")
