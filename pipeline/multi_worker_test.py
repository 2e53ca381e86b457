"""A repair on two worker processes, on loopback, decides what one process decides."""

import json
import os
import socket
import subprocess
import sys
import time

import numpy as np
from absl.testing import absltest

from goodnet.models.legacy_keras import tf
from goodnet.pipeline.api import library
from goodnet.pipeline.run.manifest import FILE_NAME
from testing.planted_network import bright_rows, planted_network, with_planted_trigger

_CHILD = "GOODNET_WORKER_FOLDER"
_CLASSES = 8
_DECIDED = ("pruned_share", "closed_channels", "changed")
# A step of two workers that share two cores takes a second: the method with the fewest of them. (What the other one
# searches, each worker searches by itself.)
_SETTINGS = {"method": "fine-pruning", "input_scale": "unit", "pruning_epochs": 2, "fine_tuning_epochs": 2, "seed": 3}
# Gradients of half a batch each are added in another order, step by step; Adam divides by their size, which of small
# ones makes a step of the learning rate.
_WEIGHTS_APART, _THRESHOLDS_APART = 5e-3, 5e-3


class MultiWorkerTest(absltest.TestCase):
    def test_two_workers_decide_as_one_process_does(self):
        alone, *workers = self._runs()
        for worker in workers:
            for name in _DECIDED:
                self.assertEqual(worker["findings"][name], alone["findings"][name], name)
            self.assertAlmostEqual(
                worker["findings"]["threshold"], alone["findings"]["threshold"], delta=_THRESHOLDS_APART
            )
            self.assertEqual(worker["labels"], alone["labels"])
            for one, other in zip(worker["weights"], alone["weights"], strict=True):
                np.testing.assert_allclose(one, other, atol=_WEIGHTS_APART)
        # The two hold the same variables, to the last bit.
        for one, other in zip(workers[0]["weights"], workers[1]["weights"], strict=True):
            np.testing.assert_array_equal(one, other)
        self.assertTrue(any(alone["findings"]["closed_channels"].values()))

    def _runs(self):
        alone, *folders = (self.create_tempdir().full_path for _ in range(3))
        _work(alone)
        cluster = {"worker": [f"127.0.0.1:{port}" for port in _free_ports(len(folders))]}
        children = []
        for index, folder in enumerate(folders):
            config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
            command = [sys.executable, "-m", "goodnet.pipeline.multi_worker_test"]
            environment = {**os.environ, _CHILD: folder, "TF_CONFIG": config}
            with open(os.path.join(folder, "log"), "w") as log:
                children.append(subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT))
            # A worker whose peer is gone may wait for it; what ends it is not SIGTERM.
            self.addCleanup(children[-1].kill)
        while None in (ended := [child.poll() for child in children]) and not any(ended):
            time.sleep(0.2)
        for status, folder in zip(ended, folders, strict=True):
            if status:
                with open(os.path.join(folder, "log")) as log:
                    self.fail(log.read()[-3000:])
        return [_read(folder) for folder in (alone, *folders)]


def _free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _read(folder):
    with open(os.path.join(folder, "out", FILE_NAME)) as file:
        findings = json.load(file)["findings"]
    with np.load(os.path.join(folder, "results.npz")) as results:
        weights = [results[name] for name in sorted(results.files) if name != "labels"]
        return {"findings": findings, "labels": results["labels"].tolist(), "weights": weights}


def _work(folder):
    """A repair, under a strategy where the environment names workers."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy() if "TF_CONFIG" in os.environ else None
    clean, test = bright_rows(160, _CLASSES), bright_rows(60, _CLASSES, seed=3)
    network = planted_network(_CLASSES, softmax=True, convolution=True)
    result = library.repair(network, clean.images(), clean.labels, strategy=strategy, verbose=True, **_SETTINGS)
    result.export(os.path.join(folder, "out"))
    both = np.concatenate([test.images(), with_planted_trigger(test.images())])
    labels = library.detect(result.detector, both).labels
    weights = {f"{number:03}": values for number, values in enumerate(result.model.get_weights())}
    np.savez(os.path.join(folder, "results.npz"), labels=labels, **weights)
    if strategy is not None:
        # A worker whose peer has ended would be ended, too.
        strategy.run(lambda: tf.distribute.get_replica_context().all_reduce("sum", tf.constant(1.0)))


if __name__ == "__main__":
    if _CHILD in os.environ:
        _work(os.environ[_CHILD])
    else:
        absltest.main()
