from absl.testing import absltest

from bench.image_layouts import LAYOUTS, outcome


class ImageLayoutsTest(absltest.TestCase):
    def test_every_layout_is_read_as_it_was_written_or_refused_in_one_line(self):
        for layout in LAYOUTS:
            with self.subTest(f"{layout.name} {layout.flags}"):
                found = outcome(layout)
                self.assertStartsWith(found, "refused: " if layout.images is None else "equal, ")
                self.assertNotIn("\n", found)


if __name__ == "__main__":
    absltest.main()
