"""What pyproject.toml cannot say: top-level folders become sub-packages of `goodnet`, and tests stay behind."""

import shutil

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

_SHIPPED = ("data", "export", "flags", "models", "pipeline")


class _BuildWithoutTests(build_py):
    def run(self) -> None:
        if not self.editable_mode:
            # What an earlier build left there would come along, modules that are gone by now among it.
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        found = super().find_package_modules(package, package_dir)
        return [module for module in found if not module[1].endswith("_test")]


setup(
    packages=[
        "goodnet",
        *(f"goodnet.{folder}" for folder in _SHIPPED),
        *(f"goodnet.{folder}.{package}" for folder in _SHIPPED for package in find_packages(folder)),
    ],
    package_dir={"goodnet": "goodnet", **{f"goodnet.{folder}": folder for folder in _SHIPPED}},
    cmdclass={"build_py": _BuildWithoutTests},
)
