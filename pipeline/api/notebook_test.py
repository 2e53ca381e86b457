"""Runs docs/goodnet.ipynb, cell by cell, as a kernel would."""

import json
import os
import pathlib
import tempfile

import matplotlib
from absl.testing import absltest

# What the notebook imports, so that Bazel brings it here.
from goodnet.data import poisoning  # noqa: F401
from goodnet.data.faces import face_sets  # noqa: F401
from goodnet.data.triggers import catalogue  # noqa: F401
from goodnet.pipeline.api import library  # noqa: F401

_NOTEBOOK = pathlib.Path(__file__).resolve().parents[2] / "docs" / "goodnet.ipynb"


class NotebookTest(absltest.TestCase):
    def test_every_cell_runs(self):
        matplotlib.use("agg")
        notebook = json.loads(_NOTEBOOK.read_text(encoding="utf-8"))
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        self.assertEqual([cell["execution_count"] for cell in cells], list(range(1, len(cells) + 1)))
        variables = {"__name__": "__main__"}
        with tempfile.TemporaryDirectory() as folder:
            tempfile.tempdir = folder
            self.addCleanup(setattr, tempfile, "tempdir", None)
            for number, cell in enumerate(cells, 1):
                exec(compile("".join(cell["source"]), f"{_NOTEBOOK.name}, cell {number}", "exec"), variables)
            verdict, result = variables["verdict"], variables["result"]
            self.assertIn(0, (*verdict.targets, *verdict.doubtful))
            self.assertTrue(result.changed)
            self.assertGreater(variables["on_device"].is_backdoor.mean(), 0.9)
            self.assertIn("detector.tflite", os.listdir(variables["folder"]))


if __name__ == "__main__":
    absltest.main()
