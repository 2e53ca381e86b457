"""Tests of finding the folder of a repair."""

import json
import os
from unittest import mock

from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.models.input_scale import SYMMETRIC_SCALE
from goodnet.pipeline.run import own_runs
from goodnet.pipeline.run.finished_runs import Artefacts, default_run_dir, find_run, open_run
from goodnet.pipeline.run.manifest import FILE_NAME, Provenance, manifest_bytes
from goodnet.pipeline.run.output_files import sha256_of, write_bytes, write_json


class RunsTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        cache = self.create_tempdir().full_path
        self.enter_context(mock.patch.dict(os.environ, {"XDG_CACHE_HOME": cache}))
        self.folder = self.create_tempdir().full_path
        self.model = self._file("bad.h5", b"BadNet")
        self.other = self._file("other.h5", b"another")

    def _file(self, name, content):
        path = os.path.join(self.folder, name)
        write_bytes(path, content)
        return path

    def _finished_run(self, folder, model, own=True, **changes):
        os.makedirs(folder, exist_ok=True)
        provenance = Provenance("repair", {}, 0, (), {model: sha256_of(model)})
        findings = {"input_scale": {"name": "-1..1", "scale": [1 / 127.5], "offset": [-1.0]}}
        artefacts = Artefacts.within(folder).paths()
        for name, path in artefacts.items():
            write_bytes(path, name.encode())
        manifest = {**provenance.manifest(findings, artefacts), **changes}
        write_json(os.path.join(folder, FILE_NAME), manifest)
        if own:
            own_runs.note_manifest(manifest_bytes(folder))

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

    def test_a_run_that_came_with_the_model_is_left_alone_unless_it_is_named(self):
        folder = default_run_dir(self.model)
        self._finished_run(folder, self.model, own=False)
        with self.assertLogs("goodnet", "WARNING") as logs:
            self.assertIsNone(find_run(self.model))
        self.assertRegex(logs.output[0], f"left alone.*may have come with the model; --run={folder}")
        self.assertEqual(open_run(folder, self.model).folder, folder)
        # Nor is anything of it read as a manifest, or waited for.
        path = os.path.join(folder, FILE_NAME)
        write_bytes(path, b"[" * 10**5)
        with self.assertLogs("goodnet", "WARNING"):
            self.assertIsNone(find_run(self.model))
        os.unlink(path)
        os.symlink("/dev/zero", path)
        with self.assertRaisesRegex(InputError, f"{FILE_NAME}: a link, which is not followed"):
            find_run(self.model)

    def test_without_a_cache_of_the_users_own_no_run_is_found_by_itself(self):
        self._finished_run(self.folder, self.model)
        for cache in ("not/absolute", os.path.join(self.model, "below a file")):
            with mock.patch.dict(os.environ, {"XDG_CACHE_HOME": cache}), self.assertLogs("goodnet"):
                self.assertIsNone(find_run(self.model))
                self._finished_run(self.folder, self.model)
                self.assertIsNone(find_run(self.model))
        self.assertFalse(os.path.exists("not"))

    def test_other_files_than_the_manifest_names_are_refused(self):
        folder = default_run_dir(self.model)
        self._finished_run(folder, self.model)
        for name in Artefacts.within(folder).paths():
            self._finished_run(folder, self.model)
            write_bytes(os.path.join(folder, name), b"exchanged")
            for opened in (lambda: open_run(folder, self.model), lambda: find_run(self.model)):
                with self.assertRaisesRegex(InputError, f"{name}: not the file that the run wrote"):
                    opened()
        self._finished_run(folder, self.model, outputs={})
        with self.assertRaisesRegex(InputError, "pruned.h5: not the file that the run wrote"):
            open_run(folder, self.model)
        os.unlink(os.path.join(folder, "pruned.h5"))
        with self.assertRaisesRegex(InputError, "pruned.h5: No such file"):
            open_run(folder, self.model)

    def test_odd_contents_are_one_line(self):
        sound = {"name": "0..1", "scale": [1.0], "offset": [0.0]}
        odd = [
            {}, {"input_scale": None}, {"input_scale": []}, {"input_scale": 3}, {"input_scale": {"name": "0..1"}},
            *({"input_scale": {**sound, **change}} for change in (
                {"name": 3}, {"scale": 1.0}, {"scale": None}, {"scale": []}, {"scale": ["1"]}, {"scale": [[1.0]]},
                {"scale": [1.0, 2.0]}, {"offset": {"a": 1}}, {"offset": "0"}, {"offset": [None]}, {"scale": [True]},
            )),
        ]  # fmt: skip
        for findings in odd:
            self._finished_run(self.folder, self.model, findings=findings)
            with (
                self.subTest(json.dumps(findings)),
                self.assertRaisesRegex(InputError, "manifest.json: input scale: .*; expected"),
            ):
                open_run(self.folder, self.model)
        for numbers in ("NaN", "1e999", "-Infinity", "1" + 400 * "0"):
            self._finished_run(self.folder, self.model, findings={"input_scale": {**sound, "scale": [12345]}})
            path = os.path.join(self.folder, FILE_NAME)
            write_bytes(path, manifest_bytes(self.folder).replace(b"12345", numbers.encode()))
            with self.subTest(numbers), self.assertRaisesRegex(InputError, "manifest.json: input scale: .*; expected"):
                open_run(self.folder, self.model)

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
