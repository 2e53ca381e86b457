"""Tests of what an audit leaves: JSON, the terminal's lines, pictures."""

import io
import json

import numpy as np
from absl.testing import absltest
from PIL import Image

from data.image_set import from_arrays
from pipeline.inversion.audit import Audit
from pipeline.inversion.confirming import Confirmation
from pipeline.inversion.trigger import InvertedTrigger
from pipeline.inversion.verdict import BACKDOOR, BLEND, PATCH, Ordinary, Suspicion, Verdict
from pipeline.measuring.rates import Rate
from pipeline.reporting.audit_evidence import as_json, pictures, summary


def _audit() -> Audit:
    mask = np.zeros((8, 8, 1), np.float32)
    mask[6:, 6:] = 1
    trigger = InvertedTrigger(3, mask, np.full((8, 8, 3), 250, np.float32), 1.0)
    suspicions = (
        Suspicion(PATCH, trigger, 5.0, 6.5, Confirmation(Rate(48, 50), Rate(1, 100), Rate(2, 99), 0.04)),
        Suspicion(BLEND, trigger, None, None, Confirmation(Rate(2, 50), Rate(0, 0), Rate(0, 0), 0.5)),
    )
    families = (Ordinary(PATCH, 20, 1, 60.0, 5.0, 4.0), Ordinary(BLEND, 20, 20, None, 5.0, 4.0))
    return Audit(
        Verdict(BACKDOOR, "why", (3,)),
        suspicions,
        families,
        100,
        {PATCH: 30, BLEND: 31},
        {PATCH: (3, *range(3), *range(4, 100)), BLEND: ()},
        100,
        50,
    )


class AuditEvidenceTest(absltest.TestCase):
    def test_json_is_plain_and_complete(self):
        found = json.loads(json.dumps(as_json(_audit(), ()), allow_nan=False))
        self.assertEqual((found["verdict"], found["targets"]), (BACKDOOR, [3]))
        patch, blend = found["suspicions"]
        self.assertEqual((patch["rank_in_screening"], blend["rank_in_screening"]), (0, None))
        self.assertEqual(patch["success_held_out"]["count"], 48)
        self.assertEqual(patch["success_of_own_content_exaggerated"]["count"], 2)
        self.assertIsNone(blend["anomaly_index"])
        self.assertEqual(found["families"][PATCH]["inverted"], 30)
        self.assertIsNone(found["families"][BLEND]["median_size"])

    def test_the_summary_says_verdict_evidence_and_rule(self):
        lines = summary(_audit()).splitlines()
        self.assertEqual(lines[0], "backdoor: why")
        self.assertRegex(lines[3], r"3 +patch +5\.0 px +6\.5 +48 of 50 +1 of 100 +2 of 99")
        self.assertRegex(lines[4], r"3 +blend +\S+ px +never +2 of 50 +no image +no image")
        self.assertIn("a target has an index above 5.0", "\n".join(lines))

    def test_pictures_show_the_trigger_on_grey_and_on_an_image_of_another_class(self):
        images = np.zeros((2, 8, 8, 3), np.uint8)
        images[1] = 90
        files = pictures(_audit(), from_arrays("clean", images, np.array([3, 4])))
        self.assertCountEqual(
            files,
            [f"trigger_3_{family}{on}.png" for family in (PATCH, BLEND) for on in ("", "_on_image")],
        )
        for name, outside in (("trigger_3_patch.png", 128), ("trigger_3_patch_on_image.png", 90)):
            picture = np.asarray(Image.open(io.BytesIO(files[name])))
            self.assertEqual(picture[0, 0, 0], outside)
            self.assertEqual(picture[-1, -1, 0], 250)
        listed = [name for one in as_json(_audit(), files)["suspicions"] for name in one["pictures"]]
        self.assertCountEqual(listed, files)

    def test_a_label_that_every_clean_image_has_is_shown_on_grey_only(self):
        files = pictures(_audit(), from_arrays("clean", np.zeros((2, 8, 8, 3), np.uint8), np.array([3, 3])))
        listed = [name for one in as_json(_audit(), files)["suspicions"] for name in one["pictures"]]
        self.assertCountEqual(listed, ["trigger_3_patch.png", "trigger_3_blend.png"])


if __name__ == "__main__":
    absltest.main()
