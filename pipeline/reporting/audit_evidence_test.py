"""Tests of what an audit leaves: JSON and pictures."""

import io
import json

import numpy as np
from absl.testing import absltest
from PIL import Image

from goodnet.data.image_set import from_arrays
from goodnet.pipeline.reporting.audit_evidence import as_json, pictures
from goodnet.pipeline.reporting.evidence import evidence_as_json
from testing.example_record import example_evidence


class AuditEvidenceTest(absltest.TestCase):
    def test_json_is_the_evidence_with_the_pictures_names(self):
        written = ("trigger_0.png", "trigger_0_on_image.png", "trigger_3.png")
        found = json.loads(json.dumps(as_json(example_evidence(), written), allow_nan=False))
        self.assertEqual(found.pop("schema_version"), 4)
        self.assertEqual([one.pop("pictures") for one in found["suspicions"]], [list(written[:2]), ["trigger_3.png"]])
        self.assertEqual(found, evidence_as_json(example_evidence()))

    def test_pictures_show_the_trigger_on_grey_and_on_an_image_of_another_class(self):
        images = np.zeros((2, 8, 8, 3), np.uint8)
        images[1] = 100
        files = pictures(example_evidence(), from_arrays("clean", images, np.array([0, 1])))
        self.assertCountEqual(files, [f"trigger_{label}{on}.png" for label in (0, 3) for on in ("", "_on_image")])
        for name, outside in (("trigger_0.png", 128), ("trigger_0_on_image.png", 100)):
            picture = np.asarray(Image.open(io.BytesIO(files[name])))
            self.assertEqual((picture[0, 0, 0], picture[-1, -1, 0]), (outside, outside - 90))
        listed = [name for one in as_json(example_evidence(), files)["suspicions"] for name in one["pictures"]]
        self.assertCountEqual(listed, files)

    def test_a_label_that_every_clean_image_has_is_shown_on_grey_only(self):
        files = pictures(example_evidence(), from_arrays("clean", np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 0])))
        self.assertCountEqual(files, ["trigger_0.png", "trigger_3.png", "trigger_3_on_image.png"])


if __name__ == "__main__":
    absltest.main()
