"""Tests of the verdict, on networks of which it is known."""

import numpy as np
from absl.testing import absltest

from models.input_scale import UNIT_SCALE
from models.legacy_keras import keras
from pipeline.inversion.audit import BACKDOOR, CLEAN, INCONCLUSIVE, AuditSettings, audit_model
from pipeline.inversion.search import InversionSettings
from pipeline.inversion.search_test import bright_rows, planted_network

_CLASSES = 8
_SETTINGS = AuditSettings(
    whole=InversionSettings(steps=150, batch_size=16, learning_rate=0.3),
    screening=InversionSettings(steps=30, batch_size=4, learning_rate=0.3),
)


def _clean_network() -> keras.Model:
    """The same network without its trigger: every row counts alike."""
    model = planted_network(_CLASSES)
    weights = model.get_weights()
    weights[0].reshape(8, 8, 3, _CLASSES)[7, 7] = weights[0].reshape(8, 8, 3, _CLASSES)[7, 6]
    model.set_weights(weights)
    return model


class AuditTest(absltest.TestCase):
    def test_a_planted_trigger_is_found_and_confirmed(self):
        audit = audit_model(planted_network(_CLASSES), bright_rows(96, _CLASSES), UNIT_SCALE, _CLASSES, _SETTINGS)
        self.assertEqual((audit.verdict, audit.targets), (BACKDOOR, (2,)))
        target = audit.suspicions[0]
        self.assertEqual(target.trigger.label, 2)
        self.assertGreater(target.held_out.value, 0.8)
        self.assertLess(target.held_out.total, audit.held_out_images)
        self.assertEqual(audit.fitted_images + audit.held_out_images, 96)

    def test_a_clean_network_is_called_clean(self):
        audit = audit_model(_clean_network(), bright_rows(96, _CLASSES), UNIT_SCALE, _CLASSES, _SETTINGS)
        self.assertEqual((audit.verdict, audit.targets), (CLEAN, ()))

    def test_too_few_images_to_confirm_leave_it_inconclusive(self):
        audit = audit_model(planted_network(_CLASSES), bright_rows(24, _CLASSES), UNIT_SCALE, _CLASSES, _SETTINGS)
        self.assertEqual(audit.verdict, INCONCLUSIVE)
        self.assertIn("held-out", audit.reason)

    def test_too_few_labels_to_compare_with_leave_it_inconclusive(self):
        audit = audit_model(planted_network(6), bright_rows(96), UNIT_SCALE, 6, _SETTINGS)
        self.assertEqual(audit.verdict, INCONCLUSIVE)

    def test_screening_lets_the_planted_label_through(self):
        settings = AuditSettings(_SETTINGS.whole, _SETTINGS.screening, screened_above=4, promising=0.1, reference=3)
        audit = audit_model(planted_network(_CLASSES), bright_rows(96, _CLASSES), UNIT_SCALE, _CLASSES, settings)
        self.assertLessEqual(audit.inverted, 6)
        self.assertIn(2, [one.trigger.label for one in audit.suspicions])
        self.assertTrue(np.isfinite(audit.alarm_index))


if __name__ == "__main__":
    absltest.main()
