import tempfile
from pathlib import Path

from absl.testing import absltest

from bazel import build_files

_FILES = {
    "goodnet/__init__.py": "import os\n",
    "data/errors.py": "class InputError(ValueError): ...\n",
    "data/hdf5.py": "import h5py\nfrom goodnet.data.errors import InputError\n",
    "data/hdf5_test.py": "from goodnet.data import errors, hdf5\n",
    "data/faces/render.py": "import goodnet.data.hdf5\n",
    "models/legacy_keras.py": "import tensorflow\n",
    "models/deepid.py": "def deepid():\n    from goodnet.models import legacy_keras\n",
    "models/deepid_test.py": "from goodnet.models.deepid import deepid\n",
    "export/detect.py": 'from goodnet.data.faces import render\nif __name__ == "__main__":\n    pass\n',
    "export/parity.py": 'import sys\nCOMMAND = [sys.executable, "-m", "goodnet.export.detect"]\n',
}

_DATA_BUILD = """\
load("//bazel:python.bzl", "py_library", "py_test")

package(default_visibility = ["//visibility:public"])

py_library(
    name = "errors",
    srcs = ["errors.py"],
)

py_library(
    name = "hdf5",
    srcs = ["hdf5.py"],
    deps = [
        ":errors",
        "//goodnet",
    ],
)

py_test(
    name = "hdf5_test",
    size = "small",
    srcs = ["hdf5_test.py"],
    deps = [
        ":errors",
        ":hdf5",
        "//goodnet",
    ],
)
"""


class BuildFilesTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.root = Path(self.enter_context(tempfile.TemporaryDirectory()))
        for name, text in _FILES.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)

    def run_main(self, mode):
        return build_files.main([f"--root={self.root}", mode])

    def build(self, package):
        return build_files.read_build_file((self.root / package / "BUILD").read_text()).targets

    def test_writes_a_target_for_each_module_with_its_imports(self):
        self.run_main("--write")
        self.assertEqual((self.root / "data/BUILD").read_text(), _DATA_BUILD)

    def test_what_was_written_passes_the_check(self):
        self.assertEqual(self.run_main("--check"), 1)
        self.run_main("--write")
        self.assertEqual(self.run_main("--check"), 0)

    def test_a_new_import_fails_the_check(self):
        self.run_main("--write")
        (self.root / "data/errors.py").write_text("from models import deepid\n")
        self.assertEqual(self.run_main("--check"), 1)

    def test_a_module_without_a_target_fails_the_check(self):
        self.run_main("--write")
        (self.root / "data/npz.py").write_text("")
        self.assertEqual(self.run_main("--check"), 1)

    def test_a_target_without_a_module_fails_the_check(self):
        self.run_main("--write")
        (self.root / "export/parity.py").unlink()
        self.assertEqual(self.run_main("--check"), 1)

    def test_imports_inside_functions_and_of_other_packages_are_deps(self):
        self.run_main("--write")
        self.assertEqual(self.build("models")["deepid"]["deps"], [":legacy_keras", "//goodnet"])
        self.assertEqual(self.build("data/faces")["render"]["deps"], ["//data:hdf5", "//goodnet"])

    def test_what_is_started_in_a_subprocess_is_a_dep(self):
        self.run_main("--write")
        self.assertEqual(self.build("export")["parity"]["deps"], [":detect", "//goodnet"])
        self.assertIn("py_binary", (self.root / "export/BUILD").read_text())

    def test_what_a_program_in_a_string_imports_is_a_dep(self):
        (self.root / "data/errors_test.py").write_text('PROGRAM = """\nimport sys\nfrom models import deepid\n"""\n')
        self.run_main("--write")
        self.assertEqual(self.build("data")["errors_test"]["deps"], ["//models:deepid"])

    def test_tests_that_start_tensorflow_get_more_time(self):
        self.run_main("--write")
        self.assertEqual(self.build("models")["deepid_test"]["size"], "medium")
        self.assertEqual(self.build("data")["hdf5_test"]["size"], "small")

    def test_keeps_what_was_written_by_hand(self):
        self.run_main("--write")
        path = self.root / "data/BUILD"
        by_hand = path.read_text().replace('size = "small"', 'size = "large"').replace("public", "private")
        path.write_text(
            by_hand.replace('    srcs = ["hdf5_test.py"]', '    srcs = ["hdf5_test.py"],\n    data = ["x.h5"]')
        )
        self.assertEqual(self.run_main("--check"), 0)
        (self.root / "data/npz.py").write_text("")
        self.run_main("--write")
        self.assertEqual(self.build("data")["hdf5_test"]["size"], "large")
        self.assertEqual(self.build("data")["hdf5_test"]["data"], ["x.h5"])
        self.assertIn("//visibility:private", path.read_text())

    def test_only_the_pipeline_may_use_pipeline_and_flags(self):
        for name in ("pipeline/pruning/curve.py", "flags/pruning.py"):
            (self.root / name).parent.mkdir(parents=True)
            (self.root / name).write_text("")
        self.run_main("--write")
        for package in ("pipeline/pruning", "flags"):
            build = build_files.read_build_file((self.root / package / "BUILD").read_text())
            visibility = build.package["default_visibility"]
            self.assertContainsSubset(["//bench:__subpackages__", "//pipeline:__subpackages__"], visibility)
            self.assertNoCommonElements(["//data:__subpackages__", "//export:__subpackages__"], visibility)

    def test_refuses_code_in_init(self):
        (self.root / "data/__init__.py").write_text("from data import hdf5\n")
        with self.assertRaisesRegex(ValueError, r"data/__init__.py: expected an empty"):
            self.run_main("--check")


if __name__ == "__main__":
    absltest.main()
