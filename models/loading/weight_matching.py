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
# Groups of the layers inside a layer, where they have another name than in HDF5 files.
_STORED_PARTS = {"attention_output": "output"}
# What tfmot's wrappers keep beside a layer's weights.
_OF_WRAPPERS = re.compile(r"mask|threshold|pruning_step|cluster_centroids_\w+|pulling_indices_\w+")
_MOST_CENTROIDS = 4096
# LayerScale's gamma has no name there.
_IN_KERAS_3 = {"depthwise_kernel": "kernel", "gamma": "variable"}
STORE_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")


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
        listed_names = _weight_names(root, layer.name) if layer.name in stored else []
        leaves = dict(layer.leaves((layer.name,)) if isinstance(layer, ModelSpec) else [((layer.name,), layer)])
        wrapped = any(leaf.wrapper for leaf in leaves.values())
        names = [name for name in listed_names if not (wrapped and _OF_WRAPPERS.fullmatch(_last_part(name)))]
        group = root.group(layer.name) if names else root
        order = _match(layer.name, expected, names, dropped)
        for (path, weight), name in zip(expected, order, strict=True):
            values = group.weight(name)
            if weight == _clustered_weight(leaves[path]):
                values = _nearest(values, group.weight(_centroids_of(path, weight, listed_names)), path)
            found.setdefault(path, []).append(checked_weight(values, path, weight))
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
    container = next((name for name in STORE_CONTAINERS if name in group), None)
    numbers: dict[str, int] = {}
    for layer in spec.layers:
        path = (*above, layer.name)
        stored = _snake_case(_stored_kind(layer))
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
        found[path] = _stored_weights(layer, member, path)


def _stored_kind(layer: LayerSpec | ModelSpec) -> str:
    return (layer.own_class if isinstance(layer, ModelSpec) else layer.wrapper) or layer.kind


def _stored_weights(layer: LayerSpec, member: SuspectGroup, path: LeafPath) -> list[np.ndarray]:
    """A layer's arrays from its group: in `vars`, or in the groups of the parts that `weight_names` tells of."""
    names = weight_names(layer).all
    clustered = _clustered_weight(layer)
    inner = member if layer.wrapper is None else member.group("layer") if "layer" in member else None
    groups: dict[str, list[str]] = {}
    for name in names:
        if name != clustered:
            groups.setdefault(name.rpartition("/")[0], []).append(name)
    values: dict[str, np.ndarray] = {}
    for part, of_part in groups.items():
        candidates = [prefix + _STORED_PARTS.get(part, part) + "_dense" for prefix in ("", "_")] if part else []
        holder = inner
        if part and inner is not None:
            holder = inner.group(next((name for name in candidates if name in inner), candidates[0]))
        variables = holder.group("vars") if holder is not None else None
        if variables is None or len(variables.names()) != len(of_part):
            count = 0 if variables is None else len(variables.names())
            raise InputError(f"layer {quoted('/'.join(path))}: {count} weights in the file; expected {len(of_part)}")
        values |= {name: variables.weight(str(index)) for index, name in enumerate(of_part)}
    if clustered is not None:
        variables = member.group("vars")
        values[clustered] = _nearest(variables.weight("0"), variables.weight("1"), path)
    return [checked_weight(values[name], path, name) for name in names]


def _clustered_weight(layer: LayerSpec) -> str | None:
    """The weight that tfmot's clustering replaces by the nearest of a few numbers, which it stores beside it."""
    if layer.wrapper != "ClusterWeights":
        return None
    return next((name for name in weight_names(layer).all if name in ("kernel", "pointwise_kernel")), None)


def _nearest(weight: np.ndarray, centroids: np.ndarray, path: LeafPath) -> np.ndarray:
    """Each number of a weight replaced by the nearest centroid, the first of those that are equally near."""
    if centroids.ndim != 1 or centroids.size > _MOST_CENTROIDS:
        raise InputError(
            f"layer {quoted('/'.join(path))}: centroids of the shape {centroids.shape}; expected a list of at most"
            f" {_MOST_CENTROIDS}"
        )
    nearest = np.full(weight.shape, centroids[0], np.float32)
    distance = np.abs(weight - nearest)
    for centroid in centroids[1:]:
        nearer = np.abs(weight - centroid) < distance
        nearest[nearer] = centroid
        np.minimum(distance, np.abs(weight - centroid), out=distance)
    return nearest


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


def _centroids_of(path: LeafPath, weight: str, names: Sequence[str]) -> str:
    """The stored name of the centroids of a wrapped layer's weight."""
    wanted = f"{path[-1]}/cluster_centroids_{weight}"
    found = [name for name in names if re.sub(r"(_\d+)?(:\d+)?$", "", name).endswith(wanted)]
    if len(found) != 1:
        raise InputError(f"layer {quoted('/'.join(path))}: {len(found)} lists of centroids; expected one")
    return found[0]


def _match(layer: str, expected: list[_Expected], names: list[str], dropped: set[str]) -> list[str]:
    """The stored names in the order of `expected`."""
    by_name = _match_names(expected, names, dropped)
    if by_name is not None:
        return by_name
    by_position = len(names) == len(expected) and all(
        _last_part(name) in _stored_names(weight.split("/")[-1])
        for name, (_, weight) in zip(names, expected, strict=True)
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
    of_parts = {weight for _, weight in expected if "/" in weight}
    stored: dict[tuple[str, str], str] = {}
    for name in names:
        parts = name.split("/")
        weight = _last_part(name)
        if len(parts) > 2 and f"{parts[-2]}/{weight}" in of_parts:
            weight = f"{parts[-2]}/{weight}"
            parts = [*parts[:-2], weight]
        leaf = "" if one_layer else parts[-2] if len(parts) > 1 else ""
        if leaf and leaf in dropped:
            continue
        if (leaf, weight) in stored:
            return None
        stored[leaf, weight] = name
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
    return (weight, _IN_KERAS_3[weight]) if weight in _IN_KERAS_3 else (weight,)


def _last_part(name: str) -> str:
    """conv_1/kernel:0 -> kernel; old sessions made kernel_1 of it."""
    return re.sub(r"(_\d+)?(:\d+)?$", "", name.split("/")[-1])


def _in_keras_order(spec: ModelSpec, found: dict[LeafPath, list[np.ndarray]]) -> dict[LeafPath, list[np.ndarray]]:
    """Legacy order lists a nested model's trained weights before its others, which keeps each layer's own order."""
    return {path: found[path] for path, leaf in spec.leaves() if path in found and weight_names(leaf).all}
