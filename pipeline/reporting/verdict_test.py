import dataclasses

import numpy as np
from absl.testing import absltest

from goodnet.pipeline.detection.calibration import calibrate
from goodnet.pipeline.measuring.artefact_figures import ArtefactFigures
from goodnet.pipeline.measuring.evaluation import Evaluation, evaluate_sets
from goodnet.pipeline.measuring.rates import Rate
from goodnet.pipeline.reporting.run_record import RunRecord
from goodnet.pipeline.reporting.verdict import Verdict, attack_state, give_verdict
from testing.example_record import evaluation, full_record, unchanged_record


def _verdict(figures: Evaluation | None) -> Verdict:
    return give_verdict(
        RunRecord("bad.h5", "today", "fine-pruning", figures=None if figures is None else ArtefactFigures(figures))
    )


class VerdictTest(absltest.TestCase):
    def test_a_cure(self):
        verdict = _verdict(evaluation())
        self.assertEqual(verdict.tone, "good")
        self.assertEqual(verdict.headline, "With the detector, the attack is stopped.")
        self.assertIn(
            "The attack patch@0 succeeds on 100.0 % as received, 0.0 % once repaired and 0.0 % with the detector "
            "(300 images).",
            verdict.sentences,
        )

    def test_an_attack_that_still_works(self):
        verdict = _verdict(evaluation(repaired_success=0.8, detected=0.1))
        self.assertEqual(verdict.tone, "bad")
        self.assertIn("the attack still works", verdict.headline)

    def test_an_attack_between(self):
        verdict = _verdict(evaluation(repaired_success=0.2, detected=0.1))
        self.assertEqual(verdict.tone, "mixed")
        self.assertIn("reduced, but not shown to be stopped", verdict.headline)

    def test_the_detector_does_not_hide_a_repair_that_failed(self):
        verdict = _verdict(evaluation(repaired_success=0.6, detected=1.0))
        self.assertEqual(verdict.tone, "good")
        self.assertIn(
            "Only the detector holds these attacks; without it the repaired network falls to patch@0 (60.0 %).",
            verdict.caveats,
        )

    def test_without_triggered_images_nothing_is_claimed(self):
        figures = evaluation()
        verdict = _verdict(Evaluation(figures.clean_sets, figures.reference, ()))
        self.assertEqual(verdict.tone, "open")
        self.assertIn("not known", verdict.headline)
        self.assertEqual(_verdict(None).tone, "open")
        self.assertEqual(_verdict(evaluate_sets([])).tone, "open")

    def test_an_attack_that_never_worked_shows_nothing(self):
        verdict = _verdict(evaluation(badnet_success=0.1))
        self.assertEqual(verdict.tone, "open")
        self.assertIn("do not work on the model as received", verdict.headline)
        self.assertTrue(any("Below 90 %" in caveat for caveat in verdict.caveats))

    def test_few_images_never_show_that_an_attack_is_stopped(self):
        self.assertEqual(attack_state(Rate(5, 5), Rate(0, 5)), "reduced")
        self.assertEqual(attack_state(Rate(500, 500), Rate(1, 500)), "stopped")
        self.assertEqual(attack_state(None, Rate(300, 500)), "still works")
        self.assertEqual(attack_state(Rate(10, 500), Rate(1, 500)), "never worked")

    def test_accuracy_that_was_lost_is_no_good_verdict(self):
        figures = evaluation()
        clean = figures.sets[0]
        stages = tuple(
            dataclasses.replace(stage, accuracy=Rate(360, 400)) if stage.stage == "detector" else stage
            for stage in clean.stages
        )
        costly = dataclasses.replace(figures, sets=(dataclasses.replace(clean, stages=stages), *figures.poisoned_sets))
        verdict = _verdict(costly)
        self.assertEqual(verdict.tone, "mixed")
        self.assertIn("The price is 10.0 points of clean accuracy", verdict.headline)

    def test_a_rate_that_cannot_be_promised_is_said(self):
        record = dataclasses.replace(full_record(), calibration=calibrate(np.zeros(9, np.float32), 0.01))
        self.assertTrue(any("no less than 10 %; 1 % was asked for" in one for one in give_verdict(record).caveats))

    def test_a_model_that_was_left_as_it_is(self):
        record = unchanged_record()
        left = "The model was left as it is: no evidence of a backdoor was found."
        figures = evaluation(repaired_success=1.0, detected=0.0)
        verdict = give_verdict(dataclasses.replace(record, figures=ArtefactFigures(figures)))
        self.assertEqual(verdict.headline, f"{left} With the detector, the attack still works.")
        self.assertEqual(verdict.tone, "bad")
        unmeasured = Evaluation(figures.clean_sets, figures.reference, ())
        verdict = give_verdict(dataclasses.replace(record, figures=ArtefactFigures(unmeasured)))
        self.assertEqual((verdict.tone, verdict.headline), ("open", left))
        self.assertTrue(any("is clean: a reason." in one for one in verdict.sentences))
        self.assertTrue(any("nothing but images whose local statistics" in one for one in verdict.sentences))
        self.assertTrue(any("no proof" in one for one in verdict.caveats))

    def test_tiles_hold_what_ships(self):
        tiles = {tile.title: tile for tile in give_verdict(full_record()).tiles}
        self.assertEqual(tiles["Attack success"].value, "0.0 %")
        self.assertIn("before: 100.0 %", tiles["Attack success"].note)
        self.assertEqual(tiles["Same answer in int8"].value, "98.33 %")


if __name__ == "__main__":
    absltest.main()
