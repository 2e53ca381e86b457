import os

from absl.testing import absltest

from bench.binaries import BinaryError, run_attack


class BinariesTest(absltest.TestCase):
    def test_a_mistake_is_the_line_that_the_binary_ended_with(self):
        log = os.path.join(self.create_tempdir().full_path, "attack.log")
        with self.assertRaisesRegex(BinaryError, "^error: .*sticker"):
            run_attack(["--trigger=sticker@1", f"--out_dir={os.path.dirname(log)}"], log)
        with open(log) as file:
            self.assertIn("sticker", file.read())


if __name__ == "__main__":
    absltest.main()
