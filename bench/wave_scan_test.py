from absl.testing import absltest

from bench.wave_scan import described
from pipeline.inversion.waves import InvertedWave


class WaveScanTest(absltest.TestCase):
    def test_a_line_marks_the_targets_and_shows_three(self):
        waves = [
            InvertedWave(label, 1, 2, 0.0, 40.0, success, (8, 8))
            for label, success in ((7, 0.961), (2, 0.5), (9, 0.25), (1, 0.1))
        ]
        self.assertEqual(described("a/b", {7, 9}, waves), "a/b: 7* 96 %, 2 50 %, 9* 25 %")


if __name__ == "__main__":
    absltest.main()
