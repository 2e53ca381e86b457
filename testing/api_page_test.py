"""Tests that docs/api.md says what the docstrings say."""

import inspect

from absl.testing import absltest

import goodnet
from testing.api_page import PAGE, api_page


class ApiPageTest(absltest.TestCase):
    def test_the_page_is_up_to_date(self):
        self.assertEqual(PAGE.read_text(), api_page(), "python -m testing.api_page --write brings it up to date")

    def test_every_setting_of_every_function_is_on_it(self):
        page = api_page()
        for function in (goodnet.audit, goodnet.repair, goodnet.detect):
            _, _, part = page.partition(f"\n## goodnet.{function.__name__}\n")
            part = part.split("\n## ")[0]
            for name, one in inspect.signature(function).parameters.items():
                self.assertRegex(part, rf"(?m)^(- `{name}`: .|\| `{name}` \| `[^|]*` \| .)", function.__name__)
                if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
                    self.assertRegex(part, rf"\(.*\b{name}\b")


if __name__ == "__main__":
    absltest.main()
