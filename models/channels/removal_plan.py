"""Which of a network's closed channels can go, and why the others stay."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from goodnet.models.channels.flow import ChannelFlow
from goodnet.models.channels.weight_slicing import Cut


@dataclass(frozen=True)
class RemovalPlan:
    """Which channels are removed.

    Attributes:
        flow: the channels of the original model.
        closed: ties that hold a closed channel, by root.
        removed: those of them that go.
        reasons: why ties stay, by root.
    """

    flow: ChannelFlow
    closed: frozenset[int]
    removed: frozenset[int]
    reasons: Mapping[int, str]
    _kept: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def kept(self, name: str) -> np.ndarray:
        """Which channels of a layer's output stay: bool [C]."""
        if name not in self._kept:
            self._kept[name] = ~np.isin(self.flow.roots(name), list(self.removed))
        return self._kept[name]

    def open(self, name: str) -> np.ndarray:
        """Which channels of a layer's output have nothing to do with a closed one: bool [C]."""
        return ~np.isin(self.flow.roots(name), list(self.closed))

    def cut(self, name: str) -> Cut | None:
        """The cut through one layer; None if all channels that it reads and gives are kept."""
        sources = self.flow.graph.predecessors[name]
        if not sources or all(self.kept(tensor).all() for tensor in (name, *sources)):
            return None
        return Cut(self.kept(sources[0]), self.kept(name), self.flow.channels[sources[0]].constants)


def plan_removal(flow: ChannelFlow) -> RemovalPlan:
    """Removes every tie with a closed channel that nothing holds back, but leaves each tensor at least one channel."""
    reasons = flow.ties.held()
    closed = frozenset(root for name, mask in flow.closed.items() for root in flow.roots(name)[mask].tolist())
    removed = set(closed - reasons.keys())
    for name in flow.graph.layers:
        roots = flow.roots(name).tolist()
        if removed.issuperset(roots):
            removed.discard(roots[0])
            reasons[roots[0]] = "it is the last channel left there"
    return RemovalPlan(flow, closed, frozenset(removed), reasons)
