"""Where and how a run computes, in one object, as TensorFlow's estimators had it (`tf.estimator.RunConfig`)."""

import os
from dataclasses import dataclass, replace

from goodnet.models.legacy_keras import tf


@dataclass(frozen=True)
class RunConfig:
    """What every training of a run needs besides its data and settings.

    Attributes:
        strategy: the `tf.distribute.Strategy` to build and train models under.
        seed: all that is random follows from it, 0 .. 2**32 - 1.
        folder: where the state after each epoch and finished searches are kept; a run that finds its own there goes on
            from it. None keeps nothing.
    """

    strategy: tf.distribute.Strategy
    seed: int
    folder: str | None = None

    def within(self, name: str) -> "RunConfig":
        """The same for a step of the run, which keeps what it makes in a folder of its own."""
        return replace(self, folder=self.path(name))

    def path(self, name: str) -> str | None:
        """Of something that is kept; None where nothing is."""
        return None if self.folder is None else os.path.join(self.folder, name)
