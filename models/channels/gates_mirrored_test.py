"""Gates under a MirroredStrategy, in a process of its own: devices are fixed once TensorFlow has used them."""

import os
import subprocess
import sys

import numpy as np
from absl.testing import absltest

from goodnet.models.channels.gates import (
    add_gates,
    closed_channels,
    expected_closed,
    gate_groups,
    rank_channels,
    strip_gates,
)
from goodnet.models.channels.layer_graph import layer_graph
from goodnet.models.legacy_keras import keras, tf, tfmot
from testing.example_nets import CLASSES, EXAMPLES, example_images, randomised

_CHILD = "GOODNET_MIRRORED_CHILD"


class _ReplicaTrace(keras.callbacks.Callback):
    """Every replica's closed channels after each batch: by site a list of lists of bool [C]."""

    def __init__(self) -> None:
        super().__init__()
        self.closed: list[dict[str, list[np.ndarray]]] = []

    def on_train_batch_end(self, batch, logs=None) -> None:
        gates = [wrapper.layer for wrapper in self.model.layers if hasattr(wrapper, "pruning_vars")]
        self.closed.append({gate.layer.name: [rank.numpy() == 0 for rank in gate.rank.values] for gate in gates})


class MirroredGatesTest(absltest.TestCase):
    def test_every_replica_closes_the_expected_channels_at_each_step(self):
        if _CHILD not in os.environ:
            command = [sys.executable, "-m", "goodnet.models.channels.gates_mirrored_test"]
            child = subprocess.run(command, env={**os.environ, _CHILD: "1"}, capture_output=True, text=True)
            self.assertEqual(child.returncode, 0, child.stderr[-3000:])
            return
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        self.assertEqual(strategy.num_replicas_in_sync, 2)
        model = randomised(EXAMPLES["batch_norm_chain"]())
        schedule = tfmot.sparsity.keras.PolynomialDecay(0.0, 0.7, 0, 4, power=1, frequency=1)
        groups = gate_groups(layer_graph(model), ["conv_1", "conv_2"])
        activation = {group.name: np.random.default_rng(0).random(group.channels) for group in groups}
        with strategy.scope():
            gated = add_gates(
                model, groups, {name: rank_channels(values) for name, values in activation.items()}, schedule
            )
            gated.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        trace = _ReplicaTrace()
        callbacks = [tfmot.sparsity.keras.UpdatePruningStep(), trace]
        gated.fit(example_images(48), np.arange(48) % CLASSES, batch_size=8, callbacks=callbacks, verbose=0)

        self.assertLen(trace.closed, 6)
        for step, closed in enumerate(trace.closed, start=1):
            asked = float(schedule(tf.constant(step, tf.int64))[1])
            for group in groups:
                (site,) = group.sites
                least_active = np.argsort(activation[group.name])[: expected_closed(group.channels, asked)]
                self.assertLen(closed[site], 2)
                for replica in closed[site]:
                    self.assertCountEqual(np.flatnonzero(replica).tolist(), least_active.tolist(), f"step {step}")
        self.assertEqual(closed_channels(gated)["conv_2_relu"].sum(), 6)
        self.assertEqual(strip_gates(gated)(example_images()).shape, (6, CLASSES))


if __name__ == "__main__":
    if _CHILD in os.environ:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    absltest.main()
