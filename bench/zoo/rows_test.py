"""Tests of the zoo's rows."""

import os

from absl.testing import absltest

from bench.zoo.rows import COLUMNS, ZooRows, outcomes_of

_OUTCOME = '{"kind": "%s", "target": 3, "asr_before": 1.0, "asr_after": 0.1, "asr_shipped": 0.0, "ra": 0.8, "tpr": 1.0}'


class ZooRowsTest(absltest.TestCase):
    def test_a_file_of_an_earlier_version_names_kinds_as_this_one(self):
        rows = ZooRows(os.path.join(self.create_tempdir().full_path, "zoo.csv"))
        triggers = f"[{_OUTCOME % 'blend'}, {_OUTCOME % 'patch'}]"
        rows.add({**dict.fromkeys(COLUMNS, ""), "cell": "1/5%/full", "kinds": "blend + patch", "triggers": triggers})
        (found,) = rows.rows()
        self.assertEqual(found["kinds"], "blended + patch")
        self.assertEqual([one.kind for one in outcomes_of(found)], ["blended", "patch"])
        self.assertEqual(found["triggers"], triggers.replace("blend", "blended"))


if __name__ == "__main__":
    absltest.main()
