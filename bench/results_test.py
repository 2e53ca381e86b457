import os
import subprocess
import sys

from absl.testing import absltest

from bench.example_rows import example_row
from bench.grid import DEVELOPMENT, HELD_OUT, quick_cells
from bench.results import HEADER, Results
from data.errors import InputError

_ADD_MANY = """
import sys
from bench.results import HEADER, Results
for number in range(20):
    Results(sys.argv[1]).add({**dict.fromkeys(HEADER, "x"), "seed": 0, "cell": f"{sys.argv[2]} {number}"})
"""


class ResultsTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.create_tempdir().full_path, "deeper", "rows.csv")

    def test_rows_come_back_as_text_and_a_cell_keeps_its_first(self):
        results, (first, second, *_) = Results(self.path), quick_cells()
        self.assertEqual(results.rows(), [])
        results.add(example_row(first))
        results.add({**example_row(second), "asr_after": None, "versions": 'a, "b"'})
        results.add(example_row(first, asr_after=0.0))
        rows = Results(self.path).rows()
        self.assertEqual([row["cell"] for row in rows], [first.name, second.name])
        self.assertEqual((rows[0]["asr_after"], rows[1]["asr_after"], rows[1]["versions"]), ("0.5", "", 'a, "b"'))
        self.assertEqual(results.done(), {first.name, second.name})

    def test_a_role_is_what_the_grid_says_by_now(self):
        first = quick_cells()[0]
        Results(self.path).add({**example_row(first), "role": HELD_OUT})
        self.assertEqual([row["role"] for row in Results(self.path).rows()], [DEVELOPMENT])

    def test_two_processes_lose_no_row(self):
        running = [
            subprocess.Popen(
                [sys.executable, "-c", _ADD_MANY, self.path, name],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            for name in "ab"
        ]
        self.assertEqual([process.wait() for process in running], [0, 0])
        self.assertEqual(Results(self.path).done(), {f"{name} {number}" for name in "ab" for number in range(20)})

    def test_another_table_is_not_touched(self):
        os.makedirs(os.path.dirname(self.path))
        with open(self.path, "w") as file:
            file.write("a,b\n1,2\n")
        with self.assertRaisesRegex(InputError, "--results=.*other columns"):
            Results(self.path).add(dict.fromkeys(HEADER, "x"))
        with open(self.path) as file:
            self.assertEqual(file.read(), "a,b\n1,2\n")


if __name__ == "__main__":
    absltest.main()
