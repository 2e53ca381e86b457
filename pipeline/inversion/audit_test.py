"""Tests of the audit, on networks of which it is known."""

import json
import os
from dataclasses import replace

import numpy as np
from absl.testing import absltest

from data.image_set import ImageSet
from models.input_scale import UNIT_SCALE
from models.legacy_keras import keras
from pipeline.inversion.audit import Audit, AuditSettings, audit_model, default_settings
from pipeline.inversion.search import InversionSettings
from pipeline.inversion.search_test import bright_rows, planted_network
from pipeline.inversion.shortlist import ShortlistSettings
from pipeline.inversion.tournament import TournamentSettings
from pipeline.inversion.verdict import BACKDOOR, CLEAN, INCONCLUSIVE, PATCH
from pipeline.reporting.audit_evidence import as_json, summary

_CLASSES = 8
_PATCH = InversionSettings(steps=150, batch_size=16, learning_rate=0.3, least_probability=1e-30)
_SETTINGS = AuditSettings(
    patch=(_PATCH,),
    blend=(replace(_PATCH, steps=40, batch_size=8, uniform=True),),
    screening=TournamentSettings(grain=2),
)


def _clean_network() -> keras.Model:
    """The same network without its trigger: every row counts alike."""
    model = planted_network(_CLASSES)
    weights = model.get_weights()
    weights[0].reshape(8, 8, 3, _CLASSES)[7, 7] = weights[0].reshape(8, 8, 3, _CLASSES)[7, 6]
    model.set_weights(weights)
    return model


def _audit(model: keras.Model, clean: ImageSet, settings: AuditSettings = _SETTINGS, keep_dir=None) -> Audit:
    return audit_model(model, clean, UNIT_SCALE, _CLASSES, settings, keep_dir)


_FAST = replace(_SETTINGS, patch=(replace(_PATCH, steps=40),))


def _rows_below(classes: int) -> ImageSet:
    clean = bright_rows(96)
    return clean.subset(np.flatnonzero(clean.labels < classes))


def _two_classes() -> keras.Model:
    """A planted network's labels 1 and 2, the target, as 0 and 1."""
    whole = planted_network(3)
    model = keras.Sequential([keras.layers.Flatten(input_shape=(8, 8, 3)), keras.layers.Dense(2)])
    model.set_weights([weights[..., 1:] for weights in whole.get_weights()])
    return model


class AuditTest(absltest.TestCase):
    def test_a_planted_trigger_is_found_and_confirmed(self):
        audit = _audit(planted_network(_CLASSES), bright_rows(96, _CLASSES))
        self.assertEqual((audit.verdict.name, audit.verdict.targets), (BACKDOOR, (2,)))
        target = audit.suspicions[0]
        self.assertEqual((target.trigger.label, target.family), (2, PATCH))
        self.assertGreater(target.confirmation.held_out.value, 0.8)
        self.assertLess(target.confirmation.held_out.total, audit.held_out_images)
        self.assertLess(target.confirmation.own_content.value, 0.5)
        self.assertEqual(audit.fitted_images + audit.held_out_images, 96)

    def test_a_clean_network_is_called_clean(self):
        audit = _audit(_clean_network(), bright_rows(96, _CLASSES))
        self.assertEqual((audit.verdict.name, audit.verdict.targets), (CLEAN, ()))

    def test_few_images_are_each_left_out_in_turn(self):
        clean = bright_rows(96, _CLASSES)
        few = clean.subset(np.flatnonzero(clean.labels != 2)[:7])
        audit = _audit(planted_network(_CLASSES), few)
        self.assertEqual((audit.fitted_images, audit.held_out_images), (7, 0))
        self.assertEqual(audit.suspicions[0].trigger.label, 2)
        self.assertEqual(audit.suspicions[0].confirmation.held_out.total, 7)

    def test_too_few_labels_to_compare_with_leave_it_inconclusive(self):
        audit = audit_model(planted_network(6), bright_rows(96), UNIT_SCALE, 6, _SETTINGS)
        self.assertEqual(audit.verdict.name, INCONCLUSIVE)

    def test_two_and_three_labels_are_inconclusive_and_it_says_what_was_looked_at(self):
        for classes, model in ((2, _two_classes()), (3, planted_network(3))):
            audit = audit_model(model, _rows_below(classes), UNIT_SCALE, classes, _FAST)
            self.assertEqual((audit.verdict.name, audit.verdict.targets), (INCONCLUSIVE, ()))
            self.assertRegex(audit.verdict.reason, f"^{classes} labels are too few .* at least 8 .* held-out images to")
            text = json.dumps(as_json(audit, ()), allow_nan=False)
            self.assertIn('"backdoor_above": null' if classes == 2 else '"backdoor_above": ', text)
            self.assertIn("inconclusive", summary(audit))

    def test_screening_lets_the_planted_label_through(self):
        settings = replace(_SETTINGS, shortlist=ShortlistSettings(above=4, least_promising=2, reference=3))
        audit = _audit(planted_network(_CLASSES), bright_rows(96, _CLASSES), settings)
        self.assertLessEqual(audit.inverted[PATCH], 5)
        self.assertCountEqual(audit.screened[PATCH], range(_CLASSES))
        self.assertIn(2, audit.screened[PATCH][:2])
        self.assertIn(2, [one.trigger.label for one in audit.suspicions])

    def test_what_was_kept_is_not_done_again(self):
        folder = self.create_tempdir().full_path
        settings = replace(_SETTINGS, shortlist=ShortlistSettings(above=4))
        first = _audit(planted_network(_CLASSES), bright_rows(96, _CLASSES), settings, folder)
        self.assertLen(os.listdir(folder), 4)
        # Another network: what is inverted anew would differ.
        again = _audit(_clean_network(), bright_rows(96, _CLASSES), settings, folder)
        self.assertEqual(again.screened, first.screened)
        for one, other in zip(first.suspicions, again.suspicions, strict=True):
            np.testing.assert_array_equal(one.trigger.mask, other.trigger.mask)

    def test_defaults_take_what_images_there_are(self):
        few, many = (default_settings(bright_rows(count, _CLASSES)) for count in (5, 200))
        self.assertLess(few.patch[0].batch_size, many.patch[0].batch_size)
        self.assertTrue(few.blend[0].uniform)
        self.assertEqual([how.grain for how in many.patch], [1, 4])


if __name__ == "__main__":
    absltest.main()
