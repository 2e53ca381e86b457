"""A classifier together with what it expects of pixels: raw images in, classes or probabilities out."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from goodnet.data.batch_sizes import images_at_once
from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet
from goodnet.models.channels.layer_graph import LayerGraph, layer_graph
from goodnet.models.classifier import ClassifierFacts, classifier_facts, with_probabilities
from goodnet.models.input_scale import InputScale
from goodnet.models.legacy_keras import keras, tf, traced

# Images [b, H, W, C] -> float32 [b, N], each row summing to 1.
Probabilities = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class ScaledNetwork:
    """A classifier and its pixel scale. What is read off the model is read once and kept as long as this object.

    Attributes:
        model: scaled images, float32 [B, H, W, C] -> softmax or logits [B, N]. It is not changed here.
        scale: what the model expects of pixels.
    """

    model: keras.Model
    scale: InputScale

    @functools.cached_property
    def facts(self) -> ClassifierFacts:
        """What the model takes and gives."""
        return classifier_facts(self.model)

    @functools.cached_property
    def layer_graph(self) -> LayerGraph:
        """The model's layers and the links between them.

        Raises:
            InputError: the model is not flat (see `models.channels.layer_graph.layer_graph`).
        """
        return layer_graph(self.model)

    @functools.cached_property
    def _scaled_probabilities(self) -> Probabilities:
        return scaled_probabilities(self.model)

    def with_model(self, model: keras.Model) -> "ScaledNetwork":
        """Another model on the same scale, such as a repair of this one."""
        return self if model is self.model else replace(self, model=model)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Probabilities of the classes.

        Args:
            images: raw pixels 0..255, [b, H, W, C] of any dtype.

        Returns:
            float32 [b, N], each row summing to 1.
        """
        return self._scaled_probabilities(self.scale.apply(images))

    def classes(self, images: np.ndarray) -> np.ndarray:
        """The most likely classes, int64 [b] in 0..N-1, of raw pixels 0..255, [b, H, W, C] of any dtype.

        Raises:
            InputError: an output is NaN, so that there is no largest one.
        """
        # Keras keeps the compiled function with the model, so that a further set costs no trace.
        outputs = self.model.predict_on_batch(self.scale.apply(images))
        if np.isnan(outputs).any():
            raise InputError(f"the model {self.model.name!r} answers NaN; expected {outputs.shape[1]} numbers")
        return outputs.argmax(axis=1)

    def labels(self, image_set: ImageSet, batch_size: int | None = None) -> np.ndarray:
        """The most likely class of every image of a set, int64 [n] in 0..N-1; reads batch by batch.

        Raises:
            InputError: an output is NaN; the line names the set.
        """
        labels = np.empty(len(image_set), np.int64)
        start = 0
        for images, _ in image_set.batches(batch_size or images_at_once(image_set.image_shape)):
            try:
                labels[start : start + len(images)] = self.classes(images)
            except InputError as error:
                raise InputError(f"{image_set.name}: {error}") from error
            start += len(images)
        return labels


def scaled_probabilities(model: keras.Model) -> Probabilities:
    """A model's probabilities for images that are already scaled: float32 [b, H, W, C].

    Args:
        model: softmax or logits out; it is not changed.
    """
    network = with_probabilities(model)
    shape = [None, *network.input_shape[1:]]
    answer = traced(
        lambda images: network(images, training=False),
        input_signature=[tf.TensorSpec(shape, tf.float32)],
    )
    return lambda images: answer(tf.constant(images, tf.float32)).numpy()
