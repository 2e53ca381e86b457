from absl.testing import absltest

from goodnet.export.printable import printable


class PrintableTest(absltest.TestCase):
    def test_names_of_the_world_stay(self):
        for text in ("stop sign", "Vorfahrt gewähren", "止まれ", "50 km/h €"):
            self.assertEqual(printable(text), text)

    def test_nothing_drives_the_terminal(self):
        self.assertEqual(printable("\x1b[2J\x1b]0;owned\x07name\x9b31m\x7f"), "[2J]0;ownedname31m")
        self.assertEqual(printable("label\x00\x08\x08"), "label")

    def test_one_line_stays_one_line(self):
        self.assertEqual(printable("a\nerror: b\r\nc\td\u2028e\x85f"), "a error: b  c d e f")

    def test_text_that_runs_backwards_or_hides(self):
        self.assertEqual(printable("cat\u202egpj.exe\u200b\ufeff"), "catgpj.exe")

    def test_surrogates_of_a_broken_path(self):
        name = printable(b"caf\xe9.png".decode("utf-8", "surrogateescape"))
        self.assertEqual(name.encode("utf-8"), b"caf.png")

    def test_length_is_bounded(self):
        self.assertEqual(printable("x" * 10**7, limit=10), "xxxxxxx...")
        self.assertEqual(printable(123), "123")


if __name__ == "__main__":
    absltest.main()
