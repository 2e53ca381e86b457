"""Copies of a model, layer by layer, with some layers replaced."""

from collections.abc import Callable

from goodnet.models.legacy_keras import keras, tf

LayerCopy = Callable[[keras.layers.Layer], keras.layers.Layer]


def copy_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A new layer with the same configuration (name, trainable flag and dtype included) and fresh weights."""
    return type(layer).from_config(layer.get_config())


def copy_architecture(model: keras.Model, layer_copy: LayerCopy = copy_layer) -> keras.Model:
    """A new model with the links of the old one, each layer but the inputs made by `layer_copy`.

    Args:
        model: a functional or Sequential model. It and its layers stay as they are, unless `layer_copy` hands one on.
        layer_copy: makes the layer that takes a layer's place.

    Returns:
        A built, uncompiled model with the weights that `layer_copy`'s layers have or get.
    """
    copy = keras.models.clone_model(model, clone_function=layer_copy)
    if not copy.built:  # a Sequential model whose input shape was known only from its first call
        copy.build(model.input_shape)
    return copy


def copy_with_weights(model: keras.Model) -> keras.Model:
    """A new model with the architecture and the weights of a functional or Sequential one; uncompiled."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def of_this_process(model: keras.Model) -> keras.Model:
    """A network that was trained under a strategy, with variables that have nothing to do with it; any other as it is.

    Such a network would answer under its strategy, too: each of several workers on a part of the images.
    """
    is_distributed = any(isinstance(variable, tf.distribute.DistributedValues) for variable in model.variables)
    return copy_with_weights(model) if is_distributed else model
