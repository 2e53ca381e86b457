"""Tests of what speaks for a backdoor, for programs and for a terminal; the report's section has its own test."""

import json
from dataclasses import fields, replace

from absl.testing import absltest

from goodnet.pipeline.inversion.verdict import BACKDOOR, LabelEvidence
from goodnet.pipeline.measuring.rates import Rate
from goodnet.pipeline.reporting.evidence import evidence_as_json, summary
from testing.example_record import example_evidence


class EvidenceTest(absltest.TestCase):
    def test_json_is_plain_and_complete(self):
        found = json.loads(json.dumps(evidence_as_json(example_evidence()), allow_nan=False))
        self.assertEqual((found["verdict"], found["reason"], found["targets"]), (BACKDOOR, "a reason", [0]))
        self.assertEqual((found["labels"], found["inverted"], found["reference"], found["never"]), (100, 32, 16, 9))
        self.assertEqual((found["fitted_images"], found["held_out_images"]), (80, 40))
        self.assertIsNone(found["ordinary_size"])
        corner, haze = found["suspicions"]
        self.assertContainsSubset({field.name for field in fields(LabelEvidence)} - {"trigger"}, corner)
        self.assertEqual((corner["label"], corner["size"], corner["sparse"], corner["index"]), (0, 1.4, True, 5.5))
        self.assertEqual((corner["success_fitted"], corner["held_out"]["count"]), (0.98, 38))
        self.assertIsNone(haze["index"])

    def test_the_summary_says_verdict_evidence_and_rule(self):
        said = summary(example_evidence())
        lines = said.splitlines()
        self.assertEqual(lines[0], "backdoor: a reason")
        self.assertRegex(lines[3], r"^ +0 +1\.4 px +0\.21 +5\.5 +38 of 40$")
        self.assertRegex(lines[4], r"^ +3 +0\.4 px +unknown +never +0 of 40$")
        self.assertRegex(said, r"most\s+of\s+which\s+no\s+trigger\s+reaches")
        self.assertRegex(said, r"A\s+target\s+has\s+an\s+index\s+above")
        self.assertLessEqual(max(map(len, lines)), 100)

    def test_no_image_to_try_a_trigger_on(self):
        evidence = example_evidence()
        alone = replace(evidence.suspicions[0], held_out=Rate(0, 0))
        few = replace(evidence, suspicions=(alone,), held_out_images=0, ordinary_size=6.25)
        said = " ".join(summary(few).split())
        self.assertIn("no image", said)
        self.assertIn("too few to hold some out", said)
        self.assertIn("median size is 6.2 pixels", said)
        self.assertIn("median alignment is 0.85", said)
        unaligned = replace(few, ordinary_alignment=float("nan"))
        self.assertNotIn("median alignment", " ".join(summary(unaligned).split()))
        self.assertIsNone(json.loads(json.dumps(evidence_as_json(unaligned), allow_nan=False))["ordinary_alignment"])
        json.dumps(evidence_as_json(few), allow_nan=False)


if __name__ == "__main__":
    absltest.main()
