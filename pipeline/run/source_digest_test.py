"""Tests of the digest of the sources."""

import re
from pathlib import Path

from absl.testing import absltest

from goodnet.pipeline.run.source_digest import deciding_sources, source_digest, without_prose

_MODULE = '''"""A module."""

STEPS = 3  # enough


class Search:
    """A class."""

    steps: int = STEPS

    def run(self, images):
        """A method."""
        return [images] * self.steps
'''


class SourceDigestTest(absltest.TestCase):
    def _digest(self, **edited: str) -> str:
        """Of a small tree, in a folder of its own."""
        root = Path(self.create_tempdir().full_path)
        files = {
            "models/search.py": _MODULE,
            "models/search_test.py": "a = 1",
            "pipeline/reporting/style.py": "STYLE = 'ink: black'",
            "pipeline/run/progress.py": "LINES = 20",
            "testing/fixture.py": "a = 1",
        }
        for name, content in {**files, **edited}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content)
        return source_digest(root)

    def test_the_code_has_a_digest(self):
        self.assertTrue(re.fullmatch("[0-9a-f]{12}", source_digest()))

    def test_what_decides_nothing_does_not_change_it(self):
        usual = self._digest()
        for name in ("models/search_test.py", "pipeline/reporting/style.py", "pipeline/run/progress.py"):
            self.assertEqual(self._digest(**{name: "other = 2"}), usual, name)
        for prose in (
            _MODULE.replace("A module", "Another").replace("A class", "Others").replace("A method", 'What it "does"'),
            _MODULE.replace("  # enough", ""),
            _MODULE.replace('    """A class."""\n\n', "").replace('        """A method."""\n', ""),
            _MODULE.replace("[images] * self.steps", "(\n            [images]\n            * self.steps\n        )"),
        ):
            self.assertNotEqual(prose, _MODULE)
            self.assertEqual(self._digest(**{"models/search.py": prose}), usual, prose)

    def test_what_decides_results_changes_it(self):
        usual = self._digest()
        for code in (
            _MODULE.replace("= 3", "= 4"),
            _MODULE.replace("steps: int", "steps: float"),
            _MODULE + "\nX = 1\n",
        ):
            self.assertNotEqual(self._digest(**{"models/search.py": code}), usual, code)
        self.assertNotEqual(self._digest(**{"models/another.py": ""}), usual)

    def test_a_text_that_is_no_docstring_counts(self):
        self.assertNotEqual(without_prose('x = "a"'), without_prose('x = "b"'))

    def test_no_fixture_and_no_test_is_in_it(self):
        names = [source.name for source in deciding_sources()]
        self.assertContainsSubset({"search.py", "hdf5_serving.py", "on_device.py", "opener.py"}, set(names))
        for source in deciding_sources():
            self.assertNotRegex(source.read_text(), r"(?m)^(from testing|import testing|from absl\.testing)", source)


if __name__ == "__main__":
    absltest.main()
