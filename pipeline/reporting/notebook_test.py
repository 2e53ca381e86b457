"""Tests of what a notebook shows."""

import dataclasses
import re

from absl.testing import absltest

from goodnet.pipeline.reporting.notebook import evidence_html, result_html
from testing.example_record import full_record

_HOSTILE = "<script>alert(1)</script>"


class NotebookTest(absltest.TestCase):
    def test_names_are_escaped_and_nothing_runs(self):
        record = full_record()
        names = tuple(_HOSTILE for _ in record.class_names or range(50))
        record = dataclasses.replace(record, class_names=names, model=_HOSTILE.replace("/", ""))
        for page in (evidence_html(record), result_html(record)):
            self.assertNotIn("<script", page)
            self.assertNotIn("http", page)
        self.assertIn("&lt;script&gt;", result_html(record))

    def test_no_rule_reaches_the_rest_of_the_notebook(self):
        style = re.search("<style>(.*?)</style>", result_html(full_record()), re.DOTALL)[1]
        for selectors in re.findall(r"([^{}]+)\{[^}]*\}", style):
            for selector in selectors.split(","):
                self.assertStartsWith(selector.strip(), ".goodnet")
        # Ink and paper are the notebook's, light or dark.
        self.assertNotRegex(style, r"[^-]color:|background: *#")

    def test_what_is_shown(self):
        record = full_record()
        self.assertIn("What these figures do not say", result_html(record))
        page = evidence_html(record)
        self.assertIn(record.evidence.verdict.reason, page)
        named = {*record.evidence.verdict.targets, *record.evidence.verdict.doubtful}
        shown = {int(label) for label in re.findall('alt="trigger for class ([0-9]+)', page)}
        self.assertEqual(shown, named & {one.trigger.label for one in record.triggers})


if __name__ == "__main__":
    absltest.main()
