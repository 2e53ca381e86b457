"""Tests of what a notebook shows."""

import dataclasses
import re

from absl.testing import absltest

from goodnet.pipeline.reporting.notebook import evidence_html, result_html
from testing.example_contents import full_contents

_HOSTILE = "<script>alert(1)</script>"


class NotebookTest(absltest.TestCase):
    def test_names_are_escaped_and_nothing_runs(self):
        contents = full_contents()
        names = tuple(_HOSTILE for _ in contents.class_names or range(50))
        contents = dataclasses.replace(contents, class_names=names, model=_HOSTILE)
        for page in (evidence_html(contents), result_html(contents)):
            self.assertNotIn("<script", page)
            self.assertNotIn("http", page)
        self.assertIn("&lt;script&gt;", result_html(contents))

    def test_no_rule_reaches_the_rest_of_the_notebook(self):
        style = re.search("<style>(.*?)</style>", result_html(full_contents()), re.DOTALL)[1]
        for selectors in re.findall(r"([^{}]+)\{[^}]*\}", style):
            for selector in selectors.split(","):
                self.assertStartsWith(selector.strip(), ".goodnet")
        # Ink and paper are the notebook's, light or dark.
        self.assertNotRegex(style, r"[^-]color:|background: *#")

    def test_what_is_shown(self):
        contents = full_contents()
        self.assertIn("What these figures do not say", result_html(contents))
        page = evidence_html(contents)
        self.assertIn(contents.evidence.verdict.reason, page)
        named = {*contents.evidence.verdict.targets, *contents.evidence.verdict.doubtful}
        shown = {int(label) for label in re.findall('alt="trigger for class ([0-9]+)', page)}
        self.assertEqual(shown, named & {one.trigger.label for one in contents.triggers})


if __name__ == "__main__":
    absltest.main()
