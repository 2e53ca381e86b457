"""Which array of a file belongs to which layer, in the layouts that Keras has had for weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from goodnet.data.errors import InputError
from goodnet.models.loading.layer_rules import LAYER_RULES, WeightNames
from goodnet.models.loading.model_spec import LayerSpec, LeafPath, ModelSpec, quoted
from goodnet.models.loading.suspect_hdf5 import SuspectGroup

Weights = Mapping[LeafPath, Sequence[np.ndarray]]
"""Arrays of each layer that has some, in Keras' order; float32, finite, shapes not yet checked."""

_Expected = tuple[LeafPath, str]
_STORE_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")


def weights_by_layer_name(spec: ModelSpec, root: SuspectGroup) -> dict[LeafPath, list[np.ndarray]]:
    """Matches weights in the layout of Keras' HDF5 files: one group a layer of the outermost model.

    A nested model's weights lie in its one group, the trained ones of all its layers first, then the others. They are
    matched by name where names tell, by position elsewhere.

    Args:
        spec: the network.
        root: the group with the attribute `layer_names`.

    Returns:
        The arrays of every layer that has some.

    Raises:
        InputError: a weight is missing, there is one too many, or an array can't be used.
    """
    listed = root.listed("layer_names")
    if listed is None:
        raise InputError("no attribute 'layer_names'; expected weights as Keras stores them")
    found: dict[LeafPath, list[np.ndarray]] = {}
    own, stored = {layer.name for layer in spec.layers}, set(listed)
    for name in listed:
        if name not in own and _weight_names(root, name):
            raise InputError(f"weights of a layer {quoted(name)} that the model does not have; expected none")
    for layer in spec.layers:
        expected, dropped = _expected(layer)
        names = _weight_names(root, layer.name) if layer.name in stored else []
        group = root.group(layer.name) if names else root
        order = _match(layer.name, expected, names, dropped)
        for (path, weight), name in zip(expected, order, strict=True):
            found.setdefault(path, []).append(checked_weight(group.weight(name), path, weight))
    return _in_keras_order(spec, found)


def weights_by_class_number(spec: ModelSpec, root: SuspectGroup) -> dict[LeafPath, list[np.ndarray]]:
    """Matches weights in the layout of `model.weights.h5`: `layers/conv2d_1/vars/0`, counted by class.

    Args:
        spec: the network.
        root: the file's root.

    Returns:
        The arrays of every layer that has some.

    Raises:
        InputError: as `weights_by_layer_name`.
    """
    found: dict[LeafPath, list[np.ndarray]] = {}
    _match_container(spec, root, (), found)
    return found


def checked_weight(values: np.ndarray, path: LeafPath, weight: str) -> np.ndarray:
    """The array itself, or an InputError where the weight can't have such values."""
    if weight in ("moving_variance", "variance") and values.size and values.min() < 0:
        raise InputError(f"layer {quoted('/'.join(path))}: {weight} is negative; expected variances")
    return values


def weight_names(layer: LayerSpec) -> WeightNames:
    """Names of the weights that a layer on the allow-list has."""
    rule = LAYER_RULES.get(layer.kind)
    return WeightNames() if rule is None else rule.weight_names(layer.settings)


def _match_container(
    spec: ModelSpec, group: SuspectGroup, above: LeafPath, found: dict[LeafPath, list[np.ndarray]]
) -> None:
    container = next((name for name in _STORE_CONTAINERS if name in group), None)
    numbers: dict[str, int] = {}
    for layer in spec.layers:
        path = (*above, layer.name)
        stored = _snake_case(layer.kind)
        number = numbers.get(stored, 0)
        numbers[stored] = number + 1
        leaves = [leaf for _, leaf in layer.leaves()] if isinstance(layer, ModelSpec) else [layer]
        if not any(weight_names(leaf).all for leaf in leaves):
            continue
        if container is None:
            raise InputError(f"no weights for layer {quoted('/'.join(path))}; expected a group 'layers'")
        member = group.group(container).group(stored if number == 0 else f"{stored}_{number}")
        if isinstance(layer, ModelSpec):
            _match_container(layer, member, path, found)
            continue
        names = weight_names(layer).all
        variables = member.group("vars")
        if len(variables.names()) != len(names):
            raise InputError(
                f"layer {quoted('/'.join(path))}: {len(variables.names())} weights in the file; expected {len(names)}"
            )
        found[path] = [checked_weight(variables.weight(str(index)), path, name) for index, name in enumerate(names)]


def _snake_case(kind: str) -> str:
    """As Keras names groups: GlobalAveragePooling2D -> global_average_pooling2d."""
    name = re.sub(r"\W+", "", kind)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _expected(layer: LayerSpec | ModelSpec) -> tuple[list[_Expected], set[str]]:
    """What the group of a layer should hold, in legacy order, and the names of layers whose weights don't matter."""
    leaves = list(layer.leaves((layer.name,))) if isinstance(layer, ModelSpec) else [((layer.name,), layer)]
    trained: list[_Expected] = []
    kept: list[_Expected] = []
    dropped = set()
    for path, leaf in leaves:
        rule = LAYER_RULES.get(leaf.kind)
        if rule is not None and rule.build is None:
            dropped.add(leaf.name)
        names = weight_names(leaf)
        (trained if leaf.trainable else kept).extend((path, name) for name in names.trained)
        kept.extend((path, name) for name in names.kept)
    return trained + kept, dropped


def _weight_names(root: SuspectGroup, layer: str) -> list[str]:
    names = root.group(layer).listed("weight_names")
    if names is None:
        raise InputError(f"layer {quoted(layer)}: no attribute 'weight_names'; expected one")
    return names


def _match(layer: str, expected: list[_Expected], names: list[str], dropped: set[str]) -> list[str]:
    """The stored names in the order of `expected`."""
    by_name = _match_names(expected, names, dropped)
    if by_name is not None:
        return by_name
    by_position = len(names) == len(expected) and all(
        _last_part(name) in _stored_names(weight) for name, (_, weight) in zip(names, expected, strict=True)
    )
    if not by_position:
        raise InputError(
            f"layer {quoted(layer)}: the weights {quoted(', '.join(names))} in the file; expected"
            f" {quoted(', '.join(weight for _, weight in expected)) if expected else 'none'}"
        )
    return names


def _match_names(expected: list[_Expected], names: list[str], dropped: set[str]) -> list[str] | None:
    """Tells stored names apart by weight and, in a nested model, by layer; None where that is not clear."""
    one_layer = len({path for path, _ in expected}) <= 1 and not dropped
    stored: dict[tuple[str, str], str] = {}
    for name in names:
        parts = name.split("/")
        leaf = "" if one_layer else parts[-2] if len(parts) > 1 else ""
        if leaf and leaf in dropped:
            continue
        if (leaf, _last_part(name)) in stored:
            return None
        stored[leaf, _last_part(name)] = name
    order = []
    for path, weight in expected:
        leaf = "" if one_layer else path[-1].split("/")[-1]
        keys = [(leaf, name) for name in _stored_names(weight) if (leaf, name) in stored]
        if not keys:
            return None
        order.append(stored.pop(keys[0]))
    return None if stored else order


def _stored_names(weight: str) -> tuple[str, ...]:
    """A weight's name in Keras 2 and, where it differs, in Keras 3."""
    return (weight, "kernel") if weight == "depthwise_kernel" else (weight,)


def _last_part(name: str) -> str:
    """conv_1/kernel:0 -> kernel; old sessions made kernel_1 of it."""
    return re.sub(r"(_\d+)?(:\d+)?$", "", name.split("/")[-1])


def _in_keras_order(spec: ModelSpec, found: dict[LeafPath, list[np.ndarray]]) -> dict[LeafPath, list[np.ndarray]]:
    """Legacy order lists a nested model's trained weights before its others, which keeps each layer's own order."""
    return {path: found[path] for path, leaf in spec.leaves() if path in found and weight_names(leaf).all}
