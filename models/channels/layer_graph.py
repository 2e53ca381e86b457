"""A model seen as a graph of layers: who reads whose output, and running a part of it.

Gates, the removal of channels and the pruning curve all ask the same few questions of a network. They are answered
here once, for a flat functional or Sequential Keras 2 model in which every layer is called exactly once and gives one
tensor, so that a layer's name also names its output.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from goodnet.data.errors import InputError
from goodnet.models.legacy_keras import keras, tf

TensorHook = Callable[[tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class LayerGraph:
    """The layers of one model and the links between them.

    Attributes:
        model_name: name of the model.
        layers: every layer that the outputs depend on, by name, in topological order; input layers first (also the one
            that a Sequential model hides).
        predecessors: for each layer the names of the layers it reads, in the order of its arguments. A layer that reads
            the same tensor twice, as in `Add()([x, x])`, lists it twice.
        successors: for each layer the names of the layers that read its output, each once, in topological order.
        inputs: names of the input layers, in the model's order.
        outputs: names of the layers whose tensors are the model's outputs, in the model's order.
    """

    model_name: str
    layers: Mapping[str, keras.layers.Layer]
    predecessors: Mapping[str, tuple[str, ...]]
    successors: Mapping[str, tuple[str, ...]]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    _calls: Mapping[str, Any]

    def shape(self, name: str) -> tuple[int | None, ...]:
        """Shape of a layer's output, the batch (None) first."""
        return tuple(tf.nest.flatten(self._calls[name].outputs)[0].shape)

    def fixed_arguments(self, name: str) -> tuple[Any, ...]:
        """What a layer's call was given besides tensors: the 2 and the `name=None` of `x * 2`."""
        call = self._calls[name]
        return tuple(
            argument
            for argument in tf.nest.flatten((call.call_args, call.call_kwargs))
            if not hasattr(argument, "_keras_history")
        )

    def descendants(self, names: Iterable[str]) -> tuple[str, ...]:
        """Names of all layers that the given ones lead to, without themselves unless one leads to another."""
        reached: set[str] = set()
        pending = [reader for name in names for reader in self.successors[name]]
        while pending:
            name = pending.pop()
            if name not in reached:
                reached.add(name)
                pending.extend(self.successors[name])
        return tuple(name for name in self.layers if name in reached)

    def between(self, known: Iterable[str], wanted: Iterable[str]) -> tuple[str, ...]:
        """The layers to run for the outputs of `wanted` when the outputs of `known` are at hand, in order.

        Raises:
            InputError: an input of the model that is not known would be needed.
        """
        known_names, pending, needed = set(known), list(wanted), set()
        while pending:
            name = pending.pop()
            if name in known_names or name in needed:
                continue
            if name in self.inputs:
                raise InputError(
                    f"layer {name!r} is an input that the wanted outputs need, and no value is given for it"
                )
            needed.add(name)
            pending.extend(self.predecessors[name])
        return tuple(name for name in self.layers if name in needed)

    def run(
        self,
        feeds: Mapping[str, tf.Tensor],
        layers: Iterable[str],
        after: Mapping[str, TensorHook] | None = None,
    ) -> dict[str, tf.Tensor]:
        """Runs some of the layers, in inference mode, on given values of other layers' outputs.

        This is how a mask is tried without building a model for it (a hook at the gate's site) and how only the tail of
        a network is run, from features that were computed once.

        Args:
            feeds: for some layers, by name, the value of the output, with the batch as first axis.
            layers: names of the layers to run, each after those it reads (`between` lists them).
            after: for some layers a function that is applied to their output; what reads the layer sees the result. It
                is applied to fed values too, so that a cached feature is masked in the same way as a computed one.

        Returns:
            The outputs, by name, of the fed and of the run layers, hooks applied.

        Raises:
            InputError: a layer's input has no value yet.
        """
        hooks = after or {}
        values = {name: hooks[name](value) if name in hooks else value for name, value in feeds.items()}
        for name in layers:
            output = self._call(name, values)
            values[name] = hooks[name](output) if name in hooks else output
        return values

    def _call(self, name: str, values: Mapping[str, tf.Tensor]) -> tf.Tensor:
        missing = [source for source in self.predecessors[name] if source not in values]
        if missing or name in self.inputs:
            raise InputError(f"layer {name!r} can't be run before its input {(missing or [name])[0]!r} has a value")

        def value_of(argument: Any) -> Any:
            return values[_layer_name(argument)] if hasattr(argument, "_keras_history") else argument

        layer, call = self.layers[name], self._calls[name]
        args, kwargs = tf.nest.map_structure(value_of, (call.call_args, dict(call.call_kwargs)))
        if kwargs.get("training") is None and len(args) == 1 and takes_training(layer):
            kwargs["training"] = False
        return layer(*args, **kwargs)


def layer_graph(model: keras.Model) -> LayerGraph:
    """Reads the graph of layers off a built model.

    Args:
        model: a functional or Sequential Keras 2 model.

    Raises:
        InputError: the model is subclassed or not built, has a model inside, calls a layer twice, or has a layer with
            several outputs.
    """
    if not getattr(model, "_is_graph_network", False):
        raise InputError(f"model {model.name!r} is subclassed or not built: expected a functional or Sequential model")
    calls = _calls_by_name(model)
    predecessors = {name: tuple(_layer_name(tensor) for tensor in call.keras_inputs) for name, call in calls.items()}
    inputs = tuple(_layer_name(tensor) for tensor in model.inputs)
    listed = (layer.name for layer in model.layers if layer.name in calls)  # Keras lists them in topological order
    order = tuple(dict.fromkeys((*inputs, *listed)))
    return LayerGraph(
        model_name=model.name,
        layers={name: calls[name].layer for name in order},
        predecessors={name: predecessors[name] for name in order},
        successors={name: tuple(reader for reader in order if name in predecessors[reader]) for name in order},
        inputs=inputs,
        outputs=tuple(_layer_name(tensor) for tensor in model.outputs),
        _calls=calls,
    )


def takes_training(layer: keras.layers.Layer) -> bool:
    """Whether a layer's call has the argument `training`."""
    return "training" in inspect.signature(layer.call).parameters


def _calls_by_name(model: keras.Model) -> dict[str, Any]:
    """The one call (Keras: node) of each layer that the outputs depend on.

    Followed back from the outputs: a layer's own list of calls would also hold those made in other models that share
    it, as `strip_pruning` leaves them.
    """
    calls: dict[str, Any] = {}
    pending = list(model.outputs)
    while pending:
        history = pending.pop()._keras_history
        layer = history.layer
        call = layer.inbound_nodes[history.node_index]
        if layer.name in calls:
            if calls[layer.name] is not call:
                raise InputError(f"layer {layer.name!r} is used more than once; expected a copy of it at each place")
            continue
        if isinstance(layer, keras.Model):
            raise InputError(f"layer {layer.name!r} is a model inside the model: nested models are not supported")
        if len(tf.nest.flatten(call.outputs)) != 1:
            raise InputError(f"layer {layer.name!r} has several outputs: only layers with one output are supported")
        calls[layer.name] = call
        pending.extend(call.keras_inputs)
    return calls


def _layer_name(tensor: Any) -> str:
    return tensor._keras_history.layer.name
