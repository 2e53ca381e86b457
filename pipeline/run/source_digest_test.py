"""Tests of the digest of the sources."""

import re

from absl.testing import absltest

from goodnet.pipeline.run.source_digest import source_digest


class SourceDigestTest(absltest.TestCase):
    def test_the_code_has_a_digest(self):
        self.assertTrue(re.fullmatch("[0-9a-f]{12}", source_digest()))


if __name__ == "__main__":
    absltest.main()
