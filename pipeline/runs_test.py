"""Tests of finding the folder of a repair."""

import os

from absl.testing import absltest

from data.errors import InputError
from models.input_scale import SYMMETRIC_SCALE
from pipeline.manifest import FILE_NAME, Provenance
from pipeline.outputs import sha256_of, write_bytes, write_json
from pipeline.runs import Artefacts, default_run_dir, find_run, open_run


class RunsTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path
        self.model = self._file("bad.h5", b"BadNet")
        self.other = self._file("other.h5", b"another")

    def _file(self, name, content):
        path = os.path.join(self.folder, name)
        write_bytes(path, content)
        return path

    def _finished_run(self, folder, model):
        os.makedirs(folder, exist_ok=True)
        provenance = Provenance("repair", {}, 0, (), {model: sha256_of(model)})
        findings = {"input_scale": {"name": "-1..1", "scale": [1 / 127.5], "offset": [-1.0]}}
        write_json(os.path.join(folder, FILE_NAME), provenance.manifest(findings, {}))

    def test_the_default_folder_is_beside_the_model(self):
        self.assertEqual(default_run_dir("nets/bad.v2.h5"), "nets/bad.v2_repaired")

    def test_no_repair_is_none(self):
        self.assertIsNone(find_run(self.model))

    def test_finds_it_beside_the_model(self):
        self._finished_run(default_run_dir(self.model), self.model)
        run = find_run(self.model)
        self.assertEqual(run.artefacts, Artefacts.within(default_run_dir(self.model)))
        self.assertEqual(run.input_scale, SYMMETRIC_SCALE)

    def test_finds_it_in_the_models_own_folder(self):
        self._finished_run(self.folder, self.model)
        self.assertEqual(find_run(self.model).folder, self.folder)

    def test_by_contents_not_by_name(self):
        self._finished_run(os.path.join(self.folder, "out"), self.model)
        moved = self._file("renamed.h5", b"BadNet")
        self.assertEqual(open_run(os.path.join(self.folder, "out"), moved).folder, os.path.join(self.folder, "out"))

    def test_the_repair_of_another_model_is_refused_when_asked_for(self):
        self._finished_run(self.folder, self.other)
        with self.assertRaisesRegex(InputError, "the repair of another model; expected that of .*bad.h5"):
            open_run(self.folder, self.model)

    def test_the_repair_of_another_model_is_passed_over_when_looked_for(self):
        self._finished_run(default_run_dir(self.model), self.other)
        self.assertIsNone(find_run(self.model))
        self._finished_run(self.folder, self.model)
        self.assertEqual(find_run(self.model).folder, self.folder)

    def test_a_folder_that_holds_no_repair_is_refused(self):
        with self.assertRaisesRegex(InputError, "expected the folder of a finished repair"):
            open_run(self.folder, self.model)

    def test_the_artefacts_have_the_names_of_the_contract(self):
        self.assertEqual(
            list(Artefacts.within("out").paths().items()),
            [
                (name, os.path.join("out", name))
                for name in ("pruned.h5", "repaired.h5", "repaired.keras", "detector.keras", "detector.tflite")
            ],
        )


if __name__ == "__main__":
    absltest.main()
