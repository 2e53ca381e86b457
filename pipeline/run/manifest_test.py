"""Tests of the manifest."""

import json
import os

from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.pipeline.run.manifest import FILE_NAME, SCHEMA_VERSION, Provenance, read_manifest
from goodnet.pipeline.run.output_files import sha256_of, write_json
from goodnet.pipeline.run.source_digest import source_digest

_PROVENANCE = Provenance("repair", {"epochs": 3}, seed=7, devices=("CPU:0",), inputs={"model.h5": "12"})


class ManifestTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path

    def test_says_what_the_run_was(self):
        output = self.create_tempfile("model", content="weights").full_path
        test = self.create_tempfile("test", content="images").full_path
        manifest = _PROVENANCE.manifest({"threshold": 0.5}, {"model": output}, {test: sha256_of(test)})
        write_json(os.path.join(self.folder, FILE_NAME), manifest)
        read = read_manifest(self.folder)
        self.assertEqual(read, json.loads(json.dumps(manifest)))
        self.assertEqual(read["schema_version"], SCHEMA_VERSION)
        self.assertEqual(read["settings"], {"epochs": 3})
        self.assertEqual((read["command"], read["seed"], read["devices"]), ("repair", 7, ["CPU:0"]))
        self.assertEqual(read["inputs"], {"model.h5": "12"})
        self.assertEqual(read["outputs"], {"model": sha256_of(output)})
        self.assertEqual(read["measured_on"], {test: sha256_of(test)})
        self.assertEqual(read["code"], source_digest())
        self.assertContainsSubset(("python", "tensorflow", "tensorflow-model-optimization"), read["versions"])

    def test_what_is_only_measured_on_is_not_part_of_the_request(self):
        self.assertCountEqual(_PROVENANCE.request(), ["settings", "seed", "inputs", "code"])

    def test_a_folder_without_one_is_refused(self):
        with self.assertRaisesRegex(InputError, f"no {FILE_NAME} in it; expected the folder of a finished repair"):
            read_manifest(self.folder)

    def test_what_is_not_one_is_refused(self):
        whole = _PROVENANCE.manifest({}, {})
        cases = {
            "not json": "Expecting value",
            "[1, 2]": "another schema_version",
            json.dumps({**whole, "schema_version": SCHEMA_VERSION + 1}): "another schema_version",
            json.dumps({**whole, "inputs": ["model.h5"]}): "no inputs in it",
            json.dumps({**whole, "inputs": {"model.h5": ["12"]}}): "inputs are not digests by name",
            json.dumps({**whole, "outputs": {"model.h5": None}}): "outputs are not digests by name",
            "[" * 10**5: "recursion",
            json.dumps({key: value for key, value in whole.items() if key != "findings"}): "no findings in it",
        }
        for text, named in cases.items():
            with open(os.path.join(self.folder, FILE_NAME), "w") as file:
                file.write(text)
            with self.subTest(named), self.assertRaisesRegex(InputError, f"{FILE_NAME}: .*{named}"):
                read_manifest(self.folder)

    def test_a_folder_in_its_place_is_refused(self):
        os.makedirs(os.path.join(self.folder, FILE_NAME))
        with self.assertRaisesRegex(InputError, "a folder; expected"):
            read_manifest(self.folder)


if __name__ == "__main__":
    absltest.main()
