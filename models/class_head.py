"""The layer that turns features into one logit a class."""

from goodnet.models.legacy_keras import keras, tf

_KEEPS_LOGITS = (keras.layers.Softmax, keras.layers.Dropout, keras.layers.Flatten)


def class_head(model: keras.Model) -> keras.layers.Dense | None:
    """Finds the dense layer whose outputs are the classes' logits.

    Args:
        model: an image classifier, softmax probabilities or logits out.

    Returns:
        The model's own layer, or None where the classes are made otherwise (a convolution averaged over the image, a
        sum of two layers, a network inside the network).
    """
    return _head_of(model.outputs[0])


def _head_of(tensor: tf.Tensor) -> keras.layers.Dense | None:
    layer, node_index, _ = tensor._keras_history
    if isinstance(layer, keras.layers.Dense):
        return layer
    if isinstance(layer, _KEEPS_LOGITS) or type(layer) is keras.layers.Activation:
        return _head_of(layer.inbound_nodes[node_index].keras_inputs[0])
    return None
