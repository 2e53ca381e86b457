"""Tests of the digest of the sources."""

import re

from absl.testing import absltest

from goodnet.pipeline.run.source_digest import deciding_sources, source_digest


class SourceDigestTest(absltest.TestCase):
    def test_the_code_has_a_digest(self):
        self.assertTrue(re.fullmatch("[0-9a-f]{12}", source_digest()))

    def test_it_is_of_what_decides_results(self):
        found = ["/".join(source.parts[-2:]) for source in deciding_sources()]
        self.assertContainsSubset(("run/source_digest.py",), found)
        self.assertEmpty([name for name in found if name.startswith("reporting/") or name.endswith("_test.py")])


if __name__ == "__main__":
    absltest.main()
