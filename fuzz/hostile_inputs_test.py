from absl.testing import absltest

from fuzz.hostile_inputs import BEGIN, END, PAGE, table


class HostileInputsTest(absltest.TestCase):
    def test_the_page_says_what_happens(self):
        """`python -m fuzz.hostile_inputs --write` brings the page up to date."""
        written = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
        self.assertEqual(written.splitlines(), table().splitlines())


if __name__ == "__main__":
    absltest.main()
