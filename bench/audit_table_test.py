"""Tests of the table of errors, and of what counts as one."""

from absl.testing import absltest

from bench.audit_cases import BLENDED, CLEAN, PATCH, draw_case
from bench.audit_table import error_table
from bench.audit_trials import (
    FALSE_ALARM,
    FOUND,
    FOUND_AMONG_OTHERS,
    INCONCLUSIVE,
    MISSED,
    RIGHTLY_CLEAN,
    WEAK,
    WRONG_TARGET,
    is_weak,
    outcome,
)
from bench.row_file import RowFile
from data.errors import InputError
from data.triggers.catalogue import parse_attack
from pipeline.inversion.audit import Audit
from pipeline.inversion.verdict import Verdict


def _audit(verdict: str, targets: tuple[int, ...] = ()) -> Audit:
    return Audit(Verdict(verdict, "", targets), (), (), 10, {}, {}, 100, 50)


class OutcomeTest(absltest.TestCase):
    def test_a_clean_model(self):
        self.assertEqual(outcome(_audit("backdoor", (1,)), set()), FALSE_ALARM)
        self.assertEqual(outcome(_audit("clean"), set()), RIGHTLY_CLEAN)
        self.assertEqual(outcome(_audit("inconclusive"), set()), INCONCLUSIVE)

    def test_a_badnet(self):
        self.assertEqual(outcome(_audit("backdoor", (3,)), {3, 4}), FOUND)
        self.assertEqual(outcome(_audit("backdoor", (5, 3)), {3, 4}), FOUND_AMONG_OTHERS)
        self.assertEqual(outcome(_audit("backdoor", (5,)), {3, 4}), WRONG_TARGET)
        self.assertEqual(outcome(_audit("clean"), {3}), MISSED)
        self.assertEqual(outcome(_audit("inconclusive"), {3}), INCONCLUSIVE)

    def test_what_is_weak_counts_for_nothing(self):
        self.assertTrue(is_weak(0.95, 0.5))
        self.assertTrue(is_weak(0.2, None))
        self.assertFalse(is_weak(0.95, 0.99))
        self.assertFalse(is_weak(0.95, None))


class TableTest(absltest.TestCase):
    def test_counts_and_exact_intervals(self):
        rows = [{"kind": CLEAN, "outcome": RIGHTLY_CLEAN}] * 30 + [{"kind": CLEAN, "outcome": WEAK}] * 2
        patch = {"kind": PATCH, "outcome": FOUND, "network": "vgg", "attacks": "patch@3:size=4", "patch_label": "3"}
        rows += [patch] * 38 + [{**patch, "network": "deepid"}]
        rows += [{**patch, "network": "deepid", "outcome": MISSED, "patch_label": "2"}]
        table = error_table(rows)
        self.assertIn("| clean | false alarm | 0 of 30 | 0.0 % [0.0, 11.6] |", table)
        self.assertIn("| patch | found | 39 of 40 | 97.5 % [86.8, 99.9] |", table)
        self.assertIn("Patches found: deepid 1 of 2, vgg 38 of 38.", table)
        self.assertIn("The smallest patch leads to a target in 39 of 40.", table)
        self.assertIn("Left out, as accuracy or attack were too weak: 2 clean.", table)
        self.assertNotIn(BLENDED, table)


class CaseTest(absltest.TestCase):
    def test_a_case_follows_from_kind_and_seed(self):
        for kind, attacks in ((CLEAN, 0), (PATCH, 2), (BLENDED, 1)):
            case = draw_case(kind, 5, ("shapes", "faces"))
            self.assertEqual(case, draw_case(kind, 5, ("shapes", "faces")))
            self.assertLen(case.attacks, attacks)
            targets = {parse_attack(text).target_label for text in case.attacks}
            self.assertLen(targets, attacks)
            self.assertLess(max(targets, default=0), case.classes)
        self.assertNotEqual(draw_case(PATCH, 1, ("shapes",)), draw_case(PATCH, 2, ("shapes",)))


class RowFileTest(absltest.TestCase):
    def test_rows_are_kept_and_other_columns_refused(self):
        path = self.create_tempfile().full_path
        with open(path, "w") as file:
            file.write("case,seed\n")
        results = RowFile(path, ("case", "seed"))
        results.add({"case": "a", "seed": 1})
        results.add({"case": "b"})
        self.assertEqual(results.done(), {"a", "b"})
        self.assertEqual(results.rows()[1]["seed"], "")
        with self.assertRaisesRegex(InputError, "other columns"):
            RowFile(path, ("case", "other")).rows()


if __name__ == "__main__":
    absltest.main()
