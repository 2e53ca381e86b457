import os
import subprocess
import sys

from absl.testing import absltest

from bench.row_file import RowFile
from goodnet.data.errors import InputError

_COLUMNS = ("cell", "asr", "note")
_ADD_MANY = """
import sys
from bench.row_file import RowFile
for number in range(20):
    RowFile(sys.argv[1], ("cell", "asr", "note")).add({"cell": f"{sys.argv[2]} {number}"})
"""


class RowFileTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.create_tempdir().full_path, "deeper", "rows.csv")

    def test_rows_come_back_as_text_and_a_cell_keeps_its_first(self):
        results = RowFile(self.path, _COLUMNS)
        self.assertEqual(results.rows(), [])
        results.add({"cell": "first", "asr": 0.5, "note": 'a, "b"'})
        results.add({"cell": "second", "asr": None})
        results.add({"cell": "first", "asr": 0.0})
        self.assertEqual(
            RowFile(self.path, _COLUMNS).rows(),
            [{"cell": "first", "asr": "0.5", "note": 'a, "b"'}, {"cell": "second", "asr": "", "note": ""}],
        )
        self.assertEqual(results.done(), {"first", "second"})

    def test_two_processes_lose_no_row(self):
        running = [
            subprocess.Popen(
                [sys.executable, "-c", _ADD_MANY, self.path, name],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            for name in "ab"
        ]
        self.assertEqual([process.wait() for process in running], [0, 0])
        self.assertEqual(
            RowFile(self.path, _COLUMNS).done(), {f"{name} {number}" for name in "ab" for number in range(20)}
        )

    def test_another_table_or_another_version_of_this_one_is_not_touched(self):
        os.makedirs(os.path.dirname(self.path))
        for head in ("a,b", "cell,asr"):
            with open(self.path, "w") as file:
                file.write(f"{head}\n1,2\n")
            results = RowFile(self.path, _COLUMNS)
            for use in (results.rows, lambda: results.add({"cell": "x"})):  # noqa: B023
                with self.assertRaisesRegex(InputError, f"^--results={self.path}: other columns than .* expected "):
                    use()
            with open(self.path) as file:
                self.assertEqual(file.read(), f"{head}\n1,2\n")


if __name__ == "__main__":
    absltest.main()
