import numpy as np
from absl.testing import absltest

from bench.edge import measured
from bench.edge_cases import WHOLE, EdgeCase
from goodnet.data.image_set import from_arrays
from goodnet.models.detector import take_apart
from goodnet.models.input_scale import UNIT_SCALE
from testing.device_case import case_detector, case_images


class EdgeTest(absltest.TestCase):
    def test_the_table_of_a_small_case(self):
        detector, images = case_detector(), case_images()
        given = np.stack([image for image, _ in images.values()])
        clean = from_arrays("clean", given, np.argmax([*map(_mean_colours, given)], axis=1))
        suspect = take_apart(detector).badnet
        case = EdgeCase(suspect, UNIT_SCALE, {WHOLE: detector}, clean, clean, clean, "by hand")
        (head, *rows), note = measured(case, 4, ("float32",))
        self.assertStartsWith(note, "by hand; the unit is ")
        self.assertEqual([row[0] for row in rows], ["suspect, float32", "suspect, int8", "detector, float32"])
        found = [dict(zip(head, row, strict=True)) for row in rows]
        self.assertEqual([found[0][name] for name in ("latency L", "latency T", "size")], ["1.00"] * 3)
        for row in (found[0], found[2]):
            self.assertEqual(
                {row[f"{kind} {runtime}"] for kind in ("clean", "poisoned") for runtime in "LT"}, {"100.0"}
            )
            self.assertEqual(row["accuracy"], "+0.0")


def _mean_colours(image: np.ndarray) -> np.ndarray:
    return image.mean(axis=(0, 1))


if __name__ == "__main__":
    absltest.main()
