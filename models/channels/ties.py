"""Sets of channels that can only be removed together."""

import numpy as np


class ChannelTies:
    """Sets of channels, joined one pair at a time (union-find), each with the reasons why it must stay, if any.

    Channels are integers. What they are channels of is the caller's business.
    """

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._holds: list[tuple[np.ndarray, str]] = []

    def new(self, count: int) -> np.ndarray:
        """Makes channels, each a set of its own: int64 [count]."""
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return np.arange(first, first + count)

    def join(self, left: np.ndarray, right: np.ndarray) -> None:
        """Ties the channels of two vectors pair by pair: both int64 [C]."""
        for one, other in zip(left.tolist(), right.tolist(), strict=True):
            low, high = sorted((self._root(one), self._root(other)))
            self._parents[high] = low

    def hold(self, channels: np.ndarray, reason: str) -> None:
        """Marks the sets of these channels as kept. The first reason given for a set is the one reported."""
        self._holds.append((channels, reason))

    def roots(self, channels: np.ndarray) -> np.ndarray:
        """The channel that stands for each one's set (the first made): int64, in the shape of `channels`."""
        parents = np.asarray(self._parents, np.int64)
        roots = channels
        while not np.array_equal(roots, above := parents[roots]):
            roots = above
        return roots

    def held(self) -> dict[int, str]:
        """Why sets must stay: reason by root, for those held."""
        reasons: dict[int, str] = {}
        for channels, reason in self._holds:
            for root in np.unique(self.roots(channels)).tolist():
                reasons.setdefault(root, reason)
        return reasons

    def _root(self, channel: int) -> int:
        while (parent := self._parents[channel]) != channel:
            self._parents[channel] = self._parents[parent]
            channel = parent
        return channel
