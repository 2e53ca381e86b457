import contextlib
import io
import json
import os

from absl.testing import absltest, flagsaver

from bench.zoo import __main__ as zoo
from bench.zoo import one_badnet
from bench.zoo.rows import COLUMNS, ZooRows
from goodnet.data.errors import InputError


class MainTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self._results = os.path.join(self.create_tempdir().full_path, "zoo.csv")

    def _printed(self, **values):
        out = io.StringIO()
        with flagsaver.as_parsed(results=self._results, **values), contextlib.redirect_stdout(out):
            self.assertFalse(zoo.main(["zoo"]))
        return out.getvalue()

    def test_list_marks_what_is_done(self):
        for method in ("full", "fine-tuning"):
            row = {**dict.fromkeys(COLUMNS, "0"), "cell": f"1/5%/{method}", "triggers": "[]"}
            ZooRows(self._results).add(row)
        lines = self._printed(seeds="0:3,1000", methods="full,fine-tuning", list="true").splitlines()
        self.assertEqual([line.startswith("done") for line in lines], [False, True, False, False])
        self.assertEqual(lines[3].split(), ["1000", "held", "out"])

    def test_nothing_to_do_sums_up(self):
        row = {**dict.fromkeys(COLUMNS, "0"), "cell": "1/5%/full", "held_out": "False", "clean_percent": "5"}
        row.update(dict.fromkeys(("asr_before", "asr_after_worst", "tpr_worst", "named", "targets"), ""))
        row.update(seed="1", kinds="clean", method="full", verdict="clean", triggers="[]")
        ZooRows(self._results).add(row)
        self.assertIn(
            "Clean networks", self._printed(seeds="1", methods="full", cache_dir=self.create_tempdir().full_path)
        )
        for ending in (".md", ".png"):
            self.assertTrue(os.path.exists(self._results.replace(".csv", ending)))

    def test_rows_of_an_older_version_are_refused(self):
        with open(self._results, "w") as file:
            file.write(",".join(name for name in COLUMNS if name != "verdict") + "\n")
        with self.assertRaisesRegex(InputError, "--results=.*other columns"):
            self._printed(seeds="1", list="true")

    def test_mistakes_are_named(self):
        for values, message in (
            ({"seeds": "500"}, "--seeds"),
            ({"methods": "magic"}, "--methods"),
            ({"seeds": "3,1000", "pictures": "sheet.png"}, "--pictures"),
        ):
            with flagsaver.as_parsed(**values), self.assertRaisesRegex(InputError, message):
                zoo.main(["zoo"])

    def test_the_log_says_no_figure_of_what_is_held_out(self):
        for held_out in (False, True):
            line = one_badnet.described({"cell": "5%", "held_out": held_out, "asr_after": 0.25, "seconds": "9.0"})
            self.assertEqual("asr_after 0.25" in line, not held_out)
            self.assertIn("seconds 9.0", line)

    def test_a_process_that_fails_is_counted(self):
        self.assertNotEqual(zoo._in_a_process(json.dumps({"seed": 500})), 0)


if __name__ == "__main__":
    absltest.main()
