"""Tests of the installed package, outside the checkout, where the user has folders of the same names as ours."""

import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile

from absl.testing import absltest

import goodnet
from testing import device_case

_ROOT = pathlib.Path(goodnet.__file__).parent.parent
_FOLDERS = ("data", "export", "flags", "models", "pipeline")
_FILES = ("LICENSE", "README.md", "pyproject.toml", "requirements.in", "setup.py")
_COMMANDS = ("attack", "audit", "detect", "evaluate", "export", "repair")
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def _build(folder: pathlib.Path) -> pathlib.Path:
    """Builds the wheel from a copy, since setuptools leaves files beside the sources."""
    source = folder / "source"
    source.mkdir()
    for name in ("goodnet", *_FOLDERS, *_FILES):
        copy = shutil.copytree if (_ROOT / name).is_dir() else shutil.copy
        copy(_ROOT / name, source / name)
    earlier = source / "build" / "lib" / "goodnet"
    earlier.mkdir(parents=True)
    (earlier / "gone_by_now.py").touch()
    offline = ("--no-deps", "--no-index", "--no-build-isolation")
    subprocess.run([*_PIP, "wheel", *offline, f"--wheel-dir={folder}", source], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _install(wheel: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Installs the wheel into a fresh environment that finds its dependencies in this one; returns its bin/."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([*_PIP, f"--python={python}", "install", "--no-deps", "--no-index", wheel], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return python.parent


class WheelTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.wheel = _build(folder)
        cls.bin = _install(cls.wheel, folder / "environment")
        cls.users = folder / "users"
        for name in _FOLDERS:
            (cls.users / name).mkdir(parents=True)
            (cls.users / name / "__init__.py").write_text("raise SystemExit('the user\\'s own package was imported')")

    def run_outside(self, program, *arguments):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        command = [self.bin / program, *arguments]
        return subprocess.run(command, cwd=self.users, env=environment, capture_output=True, text=True)

    def test_nothing_but_the_package_is_installed(self):
        with zipfile.ZipFile(self.wheel) as wheel:
            names = wheel.namelist()
        tops = {name.split("/")[0] for name in names}
        self.assertEqual(tops, {"goodnet", f"goodnet-{goodnet.__version__}.dist-info"})
        self.assertIn("goodnet/pipeline/inversion/search.py", names)
        self.assertEmpty([name for name in names if name.endswith(("_test.py", "gone_by_now.py"))])

    def test_it_is_imported_from_where_it_is_installed(self):
        program = (
            "import importlib.util as util, sys, goodnet, goodnet.pipeline.repair as repair;"
            "print(goodnet.__version__, goodnet.__file__, repair.__file__, util.find_spec('goodnet.numpy'));"
            "print([name for name in sys.modules if name.split('.')[0] in sys.argv[1:]])"
        )
        done = self.run_outside("python", "-c", program, *_FOLDERS)
        self.assertEqual(done.returncode, 0, done.stderr)
        (version, package, binary, numpy), (others,) = (line.split() for line in done.stdout.splitlines())
        self.assertEqual((version, numpy, others), (goodnet.__version__, "None", "[]"))
        installed = str(self.bin.parent / "lib")
        self.assertStartsWith(package, installed)
        self.assertStartsWith(binary, installed)

    def test_help(self):
        done = self.run_outside("goodnet-repair", "--help")
        self.assertIn("--max_false_positive_rate", done.stdout + done.stderr)
        self.assertIn("    goodnet-repair --model=", done.stdout + done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_each_command_is_there(self):
        program = (
            "from importlib.metadata import entry_points\n"
            "for found in entry_points(group='console_scripts'):\n"
            "    if found.name.startswith('goodnet-'): print(found.name, callable(found.load()))"
        )
        done = self.run_outside("python", "-c", program)
        self.assertCountEqual(done.stdout.splitlines(), [f"goodnet-{name} True" for name in _COMMANDS])
        for name in _COMMANDS:
            self.assertTrue((self.bin / f"goodnet-{name}").exists(), name)

    def test_a_mistake_is_one_line(self):
        done = self.run_outside("goodnet-repair", "--model=none.h5", "--clean_data=none", "--out_dir=out")
        self.assertEqual(done.returncode, 1)
        self.assertIn("error: none.h5: ", done.stderr.splitlines()[-1])

    def test_detects_without_tensorflow(self):
        device_case.write_case(str(self.users / "case"))
        arguments = ("--model=case/detector.tflite", "--names", "case/0-red.png", "case/3-red-with-a-white-corner.png")
        done = self.run_outside("goodnet-detect", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = [line.split("\t")[:2] for line in done.stdout.splitlines()]
        self.assertEqual(found, [[arguments[2], "red"], [arguments[3], "backdoor"]])
        program = "import sys, goodnet.export.detect; print({'tensorflow', 'absl', 'h5py'} & set(sys.modules))"
        self.assertEqual(self.run_outside("python", "-c", program).stdout, "set()\n")


if __name__ == "__main__":
    absltest.main()
