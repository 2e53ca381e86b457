"""The N+1 detector: a repaired net that answers, and the BadNet beside it that gives the trigger away.

The trigger means nothing to the repaired net. So an image on which the two nets contradict each other carries a
trigger. By the same comparison NNoculation (Veldanda et al., AISec 2021) and the CSAW-HackML-2020 defences answer
"class N"; a score in place of plain disagreement lets the user choose how many clean images to lose.

The score is the divergence of the two answers in both directions (Jeffreys, "An invariant form for the prior
probability in estimation problems", 1946), since it tells two kinds of disagreement apart. On a hard clean image, each
net leaves some probability to what the other says. A BadNet that sees its trigger is sure beyond doubt, and rules out
the class that the repaired net sees.

A second signal, the novelty of an image, may stand beside the first (`models.novelty`); suspicion is the larger.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from goodnet.data.errors import InputError
from goodnet.models.classifier import classifier_facts, with_probabilities
from goodnet.models.input_scale import InputScale
from goodnet.models.legacy_keras import keras, tf
from goodnet.models.novelty import NAME as NOVELTY
from goodnet.models.novelty import Novelty, is_novelty, novelty_of

# By how much the score of class N is kept above 1/2 on the flagged side: half precision tells it from a tie.
_MARGIN = 2.0**-10
# Below this, distances of a threshold from 0 and from 1 count as this much: half precision has their inverse.
_LEAST_SPAN = 2.0**-16
# Added to probabilities under a logarithm. A BadNet's certainty of its trigger goes far beyond 1 - 1e-6, and it is what
# tells the trigger from a hard image; float32 still keeps these apart.
_LEAST = 1e-10
# In a graph, probabilities are multiplied by this first; the difference of two logarithms loses it again. Half
# precision, in which a converter may keep constants, has no 1e-10, but has 32768 and, to 5 in 10,000, 32768e-10.
_SCALE = 32768.0
# The suspicion of an image that a net has no finite answer to. Two finite answers give 0.979 at most.
UNKNOWN = 1.0
# No threshold is above this float32, so that what is unknown exceeds every one.
HIGHEST_THRESHOLD = float(np.nextafter(np.float32(UNKNOWN), np.float32(0)))


@dataclass(frozen=True)
class DetectorParts:
    """What a detector was built from.

    Attributes:
        badnet: scaled images float32 [B, H, W, C] -> probabilities float32 [B, N] of the net under suspicion.
        repaired: the same of the repaired net.
        input_scale: the built-in Keras layer, or model of such layers, that makes scaled images of raw pixels 0..255.
        threshold: suspicion above which an image is flagged, in [0, 1], a value that float32 holds exactly.
        scorer: the model of `build_scorer`, sharing the detector's layers.
        novelty: the second signal, or None.
    """

    badnet: keras.Model
    repaired: keras.Model
    input_scale: keras.layers.Layer
    threshold: float
    scorer: keras.Model
    novelty: Novelty | None


def suspicion(badnet_probabilities: np.ndarray, repaired_probabilities: np.ndarray) -> np.ndarray:
    """How much the two nets contradict each other: J / (1 + J), where J is the Jeffreys divergence.

    J = sum over classes of (b - r) (log b - log r), in nats, b and r the nets' probabilities, with 1e-10 added to each
    under the logarithm.

    Args:
        badnet_probabilities: [B, N], rows sum to 1.
        repaired_probabilities: [B, N], rows sum to 1.

    Returns:
        [B] in [0, 1], of the repaired probabilities' dtype; 0 is trust, near 1 is suspicion, and 1 means that an answer
        is not finite.

    Raises:
        ValueError: the shapes differ or are not [B, N].
    """
    badnet_probabilities, repaired_probabilities = np.asarray(badnet_probabilities), np.asarray(repaired_probabilities)
    if badnet_probabilities.ndim != 2 or badnet_probabilities.shape != repaired_probabilities.shape:
        raise ValueError(
            f"probabilities {badnet_probabilities.shape} and {repaired_probabilities.shape}; expected [B, N] twice"
        )
    logs = [np.log(probabilities + _LEAST) for probabilities in (badnet_probabilities, repaired_probabilities)]
    divergence = np.sum((badnet_probabilities - repaired_probabilities) * (logs[0] - logs[1]), axis=1)
    return np.where(np.isfinite(divergence), divergence / (1 + divergence), UNKNOWN).astype(divergence.dtype)


def score_probabilities(
    badnet_probabilities: tf.Tensor,
    repaired_probabilities: tf.Tensor,
    named: Callable[[str, tf.Tensor], tf.Tensor] = lambda name, tensor: tensor,
    where: Callable[[tf.Tensor, tf.Tensor, float], tf.Tensor] = tf.where,
    novelty: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """`suspicion`, as a piece of a graph, with the classes beside it.

    All constants survive half precision.

    Args:
        badnet_probabilities: float32 [B, N].
        repaired_probabilities: float32 [B, N].
        named: what gives a tensor its name on the way.
        where: chooses a tensor's values, float32 [B], where a condition holds, bool [B], and a number elsewhere.
        novelty: weighted, float32 [B], >= 0 (`models.novelty`); suspicion is the larger of V / (1 + V) and what the two
            nets give.

    Returns:
        (claimed int32 [B], repaired_label int32 [B], suspicion float32 [B]).
    """
    claimed = named("claimed", tf.argmax(badnet_probabilities, axis=-1, output_type=tf.int32))
    label = named("repaired_label", tf.argmax(repaired_probabilities, axis=-1, output_type=tf.int32))
    both = [tf.cast(probabilities, tf.float32) for probabilities in (badnet_probabilities, repaired_probabilities)]
    logs = [tf.math.log(probabilities * _SCALE + _SCALE * _LEAST) for probabilities in both]
    divergence = tf.reduce_sum((both[0] - both[1]) * (logs[0] - logs[1]), axis=-1)
    score = _share(divergence, where)
    if novelty is not None:
        score = tf.maximum(score, _share(novelty, where))
    return claimed, label, named("suspicion", score)


def _share(signal: tf.Tensor, where: Callable[[tf.Tensor, tf.Tensor, float], tf.Tensor]) -> tf.Tensor:
    """V / (1 + V) of V >= 0, and `UNKNOWN` where that is not finite."""
    share = signal / (1.0 + signal)
    # NaN passes through arithmetic, and of a maximum it depends on the runtime; only a choice gets rid of it.
    return where(share <= UNKNOWN, share, UNKNOWN)


def build_scorer(
    badnet: keras.Model, repaired: keras.Model, input_scale: InputScale, novelty: Novelty | None = None
) -> keras.Model:
    """The two nets on raw pixels, with the score but without a threshold; calibration reads it.

    Args:
        badnet: the net under suspicion; softmax or logits, scaled images in.
        repaired: its repair, with the same image shape and classes; may be the very same object.
        input_scale: the scale of both nets' input.
        novelty: a second signal, if any.

    Returns:
        A model, raw pixels float32 [B, H, W, C] in 0..255 -> (claimed int32 [B], the BadNet's class; repaired_label
        int32 [B], the repaired net's class; suspicion float32 [B] in [0, 1], see `suspicion`). It copies the nets.

    Raises:
        InputError: the nets do not have the same image shape and number of classes, or are no image classifiers.
    """
    parts = _new_parts(badnet, repaired, input_scale, novelty)
    image = keras.Input(parts[0].input_shape[1:], name="image")
    _, outputs = _score(image, *parts)
    return keras.Model(image, outputs, name="scorer")


def build_detector(
    badnet: keras.Model,
    repaired: keras.Model,
    input_scale: InputScale,
    threshold: float,
    novelty: Novelty | None = None,
) -> keras.Model:
    """The detector with N+1 scores, of built-in layers only: it loads with no custom object.

    With s the suspicion and t the threshold, b is s scaled piecewise linearly so that it passes 1/2 at s = t: it orders
    images as s does. The scores are P_repaired / max(P_repaired) * (1 - b) and, for class N, b; scaled to sum to 1.
    Their argmax is N exactly where s > t, and the repaired net's class elsewhere. They are always finite.

    Args:
        badnet: the net under suspicion; softmax or logits, scaled images in.
        repaired: its repair, with the same image shape and classes; may be the very same object.
        input_scale: the scale of both nets' input.
        threshold: suspicion above which an image is flagged, in [0, 1]; rounded to float32, in which it is compared,
            and to the largest below 1, since an image that a net has no finite answer to is always flagged.
        novelty: a second signal, if any.

    Returns:
        A model, raw pixels float32 [B, H, W, C] in 0..255 -> float32 [B, N + 1]. It holds copies of the nets.

    Raises:
        InputError: as `build_scorer`, or the threshold is not in [0, 1].
    """
    if not 0 <= threshold <= 1:
        raise InputError(f"threshold: {threshold} is not a suspicion; expected a number in [0, 1]")
    threshold = min(float(np.float32(threshold)), HIGHEST_THRESHOLD)
    parts = _new_parts(badnet, repaired, input_scale, novelty)
    image = keras.Input(parts[0].input_shape[1:], name="image")
    probabilities, (_, _, score) = _score(image, *parts)
    # Suspicion minus threshold; in a layer of its own, so that a loaded detector still tells its threshold.
    excess = keras.layers.Rescaling(1.0, -threshold, name="threshold")(score)
    flagged = tf.cast(excess > 0, tf.float32)
    return keras.Model(image, all_scores(probabilities, score, flagged, threshold), name="detector")


def all_scores(
    probabilities: tf.Tensor,
    score: tf.Tensor,
    flagged: tf.Tensor,
    threshold: float,
    where: Callable[[tf.Tensor, tf.Tensor, float], tf.Tensor] = tf.where,
) -> tf.Tensor:
    """The N+1 scores of `build_detector`, as a piece of a graph; all constants survive half precision.

    Args:
        probabilities: of the repaired net, float32 [B, N].
        score: suspicion, float32 [B] in [0, 1].
        flagged: 1 where it exceeds the threshold, 0 elsewhere, float32 [B].
        threshold: in [0, 1).
        where: as for `score_probabilities`; also takes [B, N].

    Returns:
        float32 [B, N + 1]; the argmax is N exactly where `flagged` is 1.
    """
    below = tf.minimum(score * (0.5 / max(threshold, _LEAST_SPAN)), 0.5)
    above = tf.maximum(1 - (1 - score) * (0.5 / max(1 - threshold, _LEAST_SPAN)), 0.5 + _MARGIN)
    backdoor = below + flagged * (above - below)
    # A new axis would put the number of images into a converted graph; stacking does not.
    either = tf.stack([1 - backdoor, backdoor], axis=-1)
    classes = probabilities / tf.reduce_max(probabilities, axis=-1, keepdims=True) * either[:, :1]
    classes = where(classes <= 1, classes, 0.0)  # not where they are NaN
    scores = tf.concat([classes, either[:, 1:]], axis=-1)
    return scores / tf.reduce_sum(scores, axis=-1, keepdims=True)


def take_apart(detector: keras.Model) -> DetectorParts:
    """Finds the parts of a detector, even if it was saved and loaded.

    Args:
        detector: a model of `build_detector`.

    Returns:
        Its parts; they share the detector's layers.

    Raises:
        InputError: the model is not such a detector.
    """
    if (known := _KNOWN_PARTS.get(detector)) is not None:
        return known
    if not is_detector(detector):
        raise InputError(
            f"model {getattr(detector, 'name', detector)!r}: it is no detector; expected one that this project built,"
            f" with the layers {', '.join(_PART_LAYERS)}"
        )
    badnet, repaired, input_scale, offset = (detector.get_layer(name) for name in _PART_LAYERS)
    threshold = -float(offset.offset)
    image = keras.Input(badnet.input_shape[1:], name="image")
    novelty = next((layer for layer in detector.layers if layer.name == NOVELTY), None)
    _, outputs = _score(image, badnet, repaired, input_scale, novelty)
    scorer = keras.Model(image, outputs, name="scorer")
    parts = DetectorParts(
        badnet, repaired, input_scale, threshold, scorer, None if novelty is None else novelty_of(novelty)
    )
    _KNOWN_PARTS[detector] = parts
    return parts


def is_detector(model: keras.Model) -> bool:
    """Whether a model is built like a detector of this project: a suspect may well have layers of the same names.

    Two nets in it take the same images and answer the same N classes, a rescaling by 1 holds the threshold, and the
    model answers N + 1.
    """
    layers = {layer.name: layer for layer in model.layers}
    if not set(_PART_LAYERS) <= layers.keys() or len(model.inputs) != 1 or len(model.outputs) != 1:
        return False
    badnet, repaired, _, offset = (layers[name] for name in _PART_LAYERS)
    if not all(isinstance(net, keras.Model) and len(net.inputs) == len(net.outputs) == 1 for net in (badnet, repaired)):
        return False
    images, classes, scores = (tuple(tensor.shape) for tensor in (*badnet.inputs, *badnet.outputs, *model.outputs))
    of_repaired = tuple(tuple(tensor.shape) for tensor in (*repaired.inputs, *repaired.outputs))
    return (
        of_repaired == (images, classes)
        and len(images) == 4
        and len(classes) == len(scores) == 2
        and scores[1] == classes[1] + 1
        and isinstance(offset, keras.layers.Rescaling)
        and _is_number(offset.scale)
        and offset.scale == 1
        and _is_number(offset.offset)
        and 0 <= -offset.offset <= 1
        and (NOVELTY not in layers or is_novelty(layers[NOVELTY], images[1:]))
    )


# A scorer is traced anew for each object that it is, which takes seconds for a large network. A detector that is no
# longer used goes, and its parts with it.
_KNOWN_PARTS: "weakref.WeakKeyDictionary[keras.Model, DetectorParts]" = weakref.WeakKeyDictionary()
_PART_LAYERS = ("badnet", "repaired", "input_scale", "threshold")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _new_parts(
    badnet: keras.Model, repaired: keras.Model, input_scale: InputScale, novelty: Novelty | None
) -> tuple[keras.Model, keras.Model, keras.layers.Layer, keras.Model | None]:
    """Copies of the two nets with probabilities, under the names that `take_apart` finds, and the other layers."""
    facts, repaired_facts = classifier_facts(badnet), classifier_facts(repaired)
    if (facts.image_shape, facts.classes) != (repaired_facts.image_shape, repaired_facts.classes):
        raise InputError(
            f"repaired model {repaired.name!r}: images {repaired_facts.image_shape}, {repaired_facts.classes} classes;"
            f" expected those of the BadNet, {facts.image_shape}, {facts.classes} classes"
        )
    return (
        _copy(badnet, "badnet"),
        _copy(repaired, "repaired"),
        input_scale.layer(facts.image_shape, name="input_scale"),
        None if novelty is None else novelty.layer(facts.image_shape),
    )


def _score(
    image: tf.Tensor,
    badnet: keras.Model,
    repaired: keras.Model,
    input_scale: keras.layers.Layer,
    novelty: keras.Model | None,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Symbolic raw pixels -> the repaired net's probabilities, and [claimed, repaired_label, suspicion]."""
    scaled = input_scale(image)
    # training=False is stored in the graph: neither dropout nor a batch's statistics may ever move a score.
    probabilities = tf.cast(repaired(scaled, training=False), tf.float32)
    found = None if novelty is None else novelty(image, training=False)
    return probabilities, list(
        score_probabilities(badnet(scaled, training=False), probabilities, _named, novelty=found)
    )


def _named(name: str, tensor: tf.Tensor) -> tf.Tensor:
    """Gives a tensor a lasting name. In Keras 2 an operation cannot have one, but an identity layer can."""
    return keras.layers.Activation("linear", dtype=tensor.dtype, name=name)(tensor)


def _copy(model: keras.Model, name: str) -> keras.Model:
    """A copy under another name: layers shared by two nets would be saved for one of them only."""
    model = with_probabilities(model)
    copy = type(model).from_config({**model.get_config(), "name": name})
    copy.set_weights(model.get_weights())
    return copy
