from absl.testing import absltest

from bench.markdown import markdown


class MarkdownTest(absltest.TestCase):
    def test_columns_line_up(self):
        self.assertEqual(
            markdown([["a", "b"], ["long one", ""]]).splitlines(),
            ["| a        | b   |", "|----------|-----|", "| long one |     |"],
        )


if __name__ == "__main__":
    absltest.main()
