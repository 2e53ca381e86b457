"""Unlearning in rounds: what survives one round is inverted and unlearned in the next.

This is the minimax of I-BAU (Zeng et al., "Adversarial Unlearning of Backdoors via Implicit Hypergradient", ICLR 2022),
with several triggers of each target in place of one perturbation. Each round inverts triggers of the network as the
last round left it. It then tunes the network on clean images, a share of which carry a trigger found so far and keep
their true class (`distillation`).

The fewer layers are tuned, the more the repaired network shares with the suspect. A detector computes what they share
once. So only the head is tuned at first, and all layers where that leaves a small trigger.
"""

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from goodnet.models.legacy_keras import keras
from goodnet.models.model_copy import copy_with_weights, of_this_process
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.inversion.search import SearchSettings, SharedSearch, works
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.inversion.trigger_cache import cached_triggers
from goodnet.pipeline.run.progress import log
from goodnet.pipeline.training.batches import Batches
from goodnet.pipeline.training.loop import Epoch, train
from goodnet.pipeline.training.run_config import RunConfig
from goodnet.pipeline.training.tuning import TuningSettings, freeze
from goodnet.pipeline.unlearning.distillation import Distillation
from goodnet.pipeline.unlearning.stamping import StampSome

# The L2 norm that each weight's gradient is cut at: a backdoor that is sure of itself makes a loss of 10 and more,
# which would drown what the clean images say.
_MOST_GRADIENT = 1.0


@dataclass(frozen=True)
class UnlearningSettings:
    """How triggers are unlearned.

    Attributes:
        rounds: of inversion and tuning, at most.
        steps: optimizer steps of tuning in a round, at least; whole epochs are made of them.
        last_steps: steps after the rounds, likewise, on all triggers found, while the learning rate decays to zero
            (cosine).
        learning_rate: Adam's.
        stamped_share: share of the images that carry a trigger, 0..1.
        starts: random starts of each inversion.
        search: the inversion, in either norm.
        batch_norm: let batch norms learn.
    """

    rounds: int = 4
    steps: int = 80
    last_steps: int = 500
    learning_rate: float = 2.5e-4
    stamped_share: float = 0.2
    starts: int = 4
    search: SearchSettings = field(default_factory=SearchSettings)
    batch_norm: bool = False


@dataclass(frozen=True)
class Unlearned:
    """What unlearning made.

    Attributes:
        model: the tuned network.
        triggers: those that were unlearned, in the order in which they were found.
        history: its epochs.
    """

    model: keras.Model
    triggers: tuple[InvertedTrigger, ...]
    history: tuple[Epoch, ...]


@dataclass(frozen=True)
class Unlearner:
    """Tunes copies of a network until it answers to triggers as to the images under them.

    Attributes:
        batches: clean images.
        teacher: the suspect. The network is to answer as it does where there is no trigger, and is on its scale.
        settings: how.
        run: where to train, and where triggers and trainings are kept; a finished part found there is not done again.
    """

    batches: Batches
    teacher: ScaledNetwork
    settings: UnlearningSettings
    run: RunConfig

    def unlearn(
        self, model: keras.Model, targets: Sequence[int], ordinary_size: float, head: Collection[str] | None = None
    ) -> Unlearned:
        """Unlearns the triggers of some labels, round by round.

        Args:
            model: softmax outputs or logits; it is not changed.
            targets: the labels.
            ordinary_size: of the sparse trigger of an ordinary label. A label that takes that much is no shortcut any
                more, and to unlearn what leads to it would cost clean accuracy: its rounds are over.
            head: names of the layers that are tuned first; None for all at once.
        """
        search = SharedSearch(self.teacher.with_model(model))
        if head is not None:
            part = self.run.within("head")
            done = self._rounds(search, model, targets, ordinary_size, part, head)
            if not self._surviving(search, done.model, targets, self.settings.rounds, ordinary_size, part):
                return done
            log.info("unlearning: the last layers alone do not forget, all are tuned")
        return self._rounds(search, model, targets, ordinary_size, self.run.within("all"), None)

    def _rounds(
        self,
        search: SharedSearch,
        model: keras.Model,
        targets: Sequence[int],
        ordinary_size: float,
        run: RunConfig,
        layers: Collection[str] | None,
    ) -> Unlearned:
        done = Unlearned(model, (), ())
        for number in range(self.settings.rounds):
            part = run.within(f"round_{number}")
            bound = ordinary_size if number else float("inf")
            survivors = self._surviving(search, done.model, targets, number, bound, part)
            if not survivors:
                break
            pool = done.triggers + survivors
            done = self._tuned(done, pool, layers, self.settings.steps, decays=False, part=part)
        if not done.triggers:
            return done
        part = run.within("last")
        return self._tuned(done, done.triggers, layers, self.settings.last_steps, decays=True, part=part)

    def _surviving(
        self,
        search: SharedSearch,
        model: keras.Model,
        targets: Sequence[int],
        number: int,
        bound: float,
        part: RunConfig,
    ) -> tuple[InvertedTrigger, ...]:
        """The triggers that still lead to a target and are smaller than a bound."""
        find = functools.partial(self.invert, search, model, targets, number)
        found = cached_triggers(part.path("triggers.npz"), find)
        survivors = _survivors(found, bound)
        log.info(
            "unlearning: %s, %d of %d triggers are smaller than ordinary ones (%s)",
            f"round {number + 1}" if number < self.settings.rounds else "in the end",
            len(survivors),
            len(found),
            ", ".join(f"label {one.label}: {one.described}" for one in found),
        )
        return survivors

    def _tuned(
        self,
        done: Unlearned,
        pool: tuple[InvertedTrigger, ...],
        layers: Collection[str] | None,
        steps: int,
        decays: bool,
        part: RunConfig,
    ) -> Unlearned:
        model, epochs = self.tune(done.model, pool, part, steps, decays, len(done.history), layers)
        return Unlearned(model, pool, done.history + epochs)

    def invert(
        self, search: SharedSearch, model: keras.Model, targets: Sequence[int], number: int = 0
    ) -> tuple[InvertedTrigger, ...]:
        """Triggers of some labels, in either norm and from several starts each."""
        how = replace(self.settings.search, seed=self.settings.search.seed + number)
        labels = [label for label in targets for _ in range(self.settings.starts)]
        found: tuple[InvertedTrigger, ...] = ()
        for sparse in (True, False):
            found += search.invert(model, self.batches.image_set, labels, replace(how, sparse=sparse))
        return found

    def tune(
        self,
        model: keras.Model,
        pool: Sequence[InvertedTrigger],
        part: RunConfig,
        steps: int,
        decays: bool,
        first: int,
        layers: Collection[str] | None = None,
    ) -> tuple[keras.Model, tuple[Epoch, ...]]:
        """A copy of a network, tuned on stamped and mixed clean images.

        Args:
            model: the network.
            pool: the triggers, at least one.
            part: where to train, and where the training is kept, if anywhere.
            steps: optimizer steps, at least; whole epochs are made of them.
            decays: whether the learning rate does.
            first: how many epochs there were before.
            layers: names of those that are tuned; None for all.
        """
        settings = self.settings
        facts = self.teacher.with_model(model).facts
        targets = Distillation(self.teacher.probabilities, facts.classes, StampSome(pool, settings.stamped_share))
        # Batches follow from seed and epoch; a round's first epoch is not the first of all.
        batches = replace(self.batches, transform=targets, seed=self.batches.seed + 1000 * (first + 1))
        epochs = -(-steps // batches.steps_per_epoch)
        with part.strategy.scope():
            tuned = copy_with_weights(model)
            freeze(tuned, TuningSettings(epochs, settings.learning_rate, layers, settings.batch_norm))
            rate = settings.learning_rate
            if decays:
                rate = keras.optimizers.schedules.CosineDecay(rate, max(1, epochs * batches.steps_per_epoch))
            tuned.compile(
                keras.optimizers.Adam(rate, clipnorm=_MOST_GRADIENT),
                loss=keras.losses.CategoricalCrossentropy(from_logits=facts.logits),
                metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
            )
        trained = train(tuned, batches, epochs, title="unlearning", checkpoint_dir=part.path("tuning"))
        return of_this_process(tuned), trained


def _survivors(found: Sequence[InvertedTrigger], ordinary_size: float) -> tuple[InvertedTrigger, ...]:
    """Those that work, of labels that a sparse trigger of less than ordinary size leads to."""
    labels = {one.label for one in found if one.sparse and works(one) and one.size < ordinary_size}
    return tuple(one for one in found if one.label in labels and works(one))
