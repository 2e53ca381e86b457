import dataclasses
import io
import warnings

import numpy as np
from absl.testing import absltest
from PIL import Image

from goodnet.models.channels.gates import GateGroup
from goodnet.pipeline.measuring.rates import Rate
from goodnet.pipeline.pruning.curve import CurvePoint, PruningCurve
from goodnet.pipeline.pruning.profile import ActivationProfile
from goodnet.pipeline.pruning.schedule import SparsityStep
from goodnet.pipeline.reporting import plots
from goodnet.pipeline.reporting.plots import SuspicionSample
from goodnet.pipeline.training.loop import Epoch

# A name that Matplotlib would read as a formula, drop from a legend, or find no letters for.
_HOSTILE = "_$\\frac{$ \x1b\u202e\n" + "x" * 500


class PlotsTest(absltest.TestCase):
    def assert_is_picture(self, png: bytes) -> None:
        picture = Image.open(io.BytesIO(png))
        self.assertEqual(picture.format, "PNG")
        self.assertGreater(picture.width, 500)
        self.assertGreater(len(np.unique(np.asarray(picture.convert("L")))), 10)

    def test_pruning(self):
        curve = PruningCurve(tuple(CurvePoint(k / 4, {_HOSTILE: k}, Rate(40 - k, 40)) for k in range(4)), 0.9, 2)
        self.assert_is_picture(plots.pruning_curve_plot(curve))
        only = dataclasses.replace(curve, points=curve.points[:1], chosen=0)
        self.assert_is_picture(plots.pruning_curve_plot(only))

    def test_profile_of_one_and_of_many_groups(self):
        for count in (1, 14):
            groups = tuple(GateGroup(f"{_HOSTILE}{k}", (), (f"{k}",), 8) for k in range(count))
            activations = {group.name: np.random.default_rng(0).random(8).astype(np.float32) for group in groups}
            closed = {"0": np.arange(8) < 3}
            self.assert_is_picture(plots.activation_profile_plot(ActivationProfile(groups, activations, 9), closed))

    def test_schedule_and_training(self):
        trace = [SparsityStep(step, step / 10, {_HOSTILE: step / 10, "b": 0.0}) for step in range(1, 5)]
        self.assert_is_picture(plots.sparsity_plot(trace))
        self.assert_is_picture(plots.training_plot({_HOSTILE: (Epoch(1.0, 0.5, 1.0),), "b": (Epoch(0.5, 0.6, 1.0),)}))

    def test_suspicion_and_roc(self):
        clean = SuspicionSample(_HOSTILE, False, np.zeros(5, np.float32))
        poisoned = SuspicionSample("patch", True, np.array([0, 0.5, 1], np.float32))
        for threshold in (0.0, 0.5, 1.0):
            self.assert_is_picture(plots.suspicion_plot([clean, poisoned], threshold))
            self.assert_is_picture(plots.roc_plot(clean, [poisoned], threshold))

    def test_the_same_data_give_the_same_file(self):
        history = {"tuning": (Epoch(1.0, 0.5, 1.0), Epoch(0.5, 0.7, 1.0))}
        self.assertEqual(plots.training_plot(history), plots.training_plot(history))

    def test_no_warning_about_names(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            plots.training_plot({_HOSTILE: (Epoch(1.0, 0.5, 1.0),)})


if __name__ == "__main__":
    absltest.main()
