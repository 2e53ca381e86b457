"""Keeps the BUILD files true: one target for each module, named after it, whose deps are the module's imports.

    python -m bazel.build_files --check      # exit status 1 and a line for each folder whose BUILD is not true
    python -m bazel.build_files --write      # brings every BUILD up to date

A `*_test.py` becomes a `py_test`, a module that can be started (`if __name__ == "__main__":`) a `py_binary`, every
other one a `py_library`. A module that is started by name in a subprocess (`"-m", "export.detect"`) counts as imported,
and so does one that a program in a string of several lines imports. `goodnet.data.hdf5` is data/hdf5.py; whatever is
imported so needs goodnet/__init__.py, too.
What is written by hand in a BUILD stays: the `package(...)` line, and attributes such as `size`, `data` and `tags`.
"""

import argparse
import ast
import dataclasses
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_ATTRIBUTE_ORDER = (
    "name",
    "testonly",
    "size",
    "timeout",
    "srcs",
    "data",
    "args",
    "env",
    "flaky",
    "shard_count",
    "tags",
)
_IMPORT_LINE = re.compile(r"^(?:from ([\w.]+) )?import ([\w.]+(?: as \w+)?(?:, *[\w.]+(?: as \w+)?)*)$", re.MULTILINE)
_MADE_ATTRIBUTES = ("name", "srcs", "deps")
_PACKAGE = "goodnet"
_SLOW_TO_START = "models.legacy_keras"
_PUBLIC = ("//visibility:public",)
_PIPELINE = tuple(f"//{folder}:__subpackages__" for folder in ("bench", "fuzz", "goodnet", "pipeline", "testing"))
# data, models and export never import flags or pipeline: Bazel refuses a target that does. goodnet has tests of all.
_VISIBLE_TO = {"flags": _PIPELINE, "pipeline": _PIPELINE}


@dataclasses.dataclass(frozen=True)
class Module:
    """A Python file: its dotted name and the dotted names of the project's modules it imports."""

    name: str
    path: Path
    imports: frozenset[str]
    rule: str

    @property
    def package(self) -> str:
        """The folder, as Bazel writes it: `data/faces`."""
        return "/".join(self.name.split(".")[:-1]) or _PACKAGE

    @property
    def target(self) -> str:
        """The name of the module's target in its package."""
        return self.name.split(".")[-1]


@dataclasses.dataclass(frozen=True)
class BuildFile:
    """What a person wrote in a BUILD: the arguments of `package` and each target's attributes."""

    package: dict[str, object]
    targets: dict[str, dict[str, object]]


def read_modules(root: Path) -> dict[str, Module]:
    """Reads every module below the top-level packages of `root`.

    Raises:
      ValueError: an `__init__.py` holds code: Bazel makes empty ones itself, so that one would be missing.
    """
    folders = [folder for folder in root.iterdir() if folder.is_dir() and _holds_modules(folder)]
    paths = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        inside = path.relative_to(root)
        if inside.parts == (_PACKAGE, "__init__.py"):
            paths[_PACKAGE] = path
            continue
        if path.name == "__init__.py":
            if path.read_text().strip():
                raise ValueError(f"{inside}: expected an empty __init__.py; import the modules by their names")
            continue
        paths[".".join(inside.with_suffix("").parts)] = path
    return {name: _read_module(name, path, paths) for name, path in paths.items()}


def _holds_modules(folder: Path) -> bool:
    """Not what Bazel or setuptools make, nor the links for mypy in tools/."""
    return folder.name not in ("build", "tools") and not folder.name.startswith((".", "bazel-"))


def _read_module(name: str, path: Path, known: dict[str, Path]) -> Module:
    tree = ast.parse(path.read_text(), str(path))
    imports = {imported for mentioned in _mentioned(tree) for imported in _modules_of(mentioned, known)}
    return Module(name, path, frozenset(imports - {name}), _rule_of(path, tree))


def _mentioned(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.List | ast.Tuple):
            words = [item.value if isinstance(item, ast.Constant) else None for item in node.elts]
            yield from (str(after) for word, after in itertools.pairwise(words) if word == "-m")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.end_lineno != node.lineno:
            yield from _mentioned_by_program(node.value)


def _mentioned_by_program(text: str) -> Iterator[str]:
    """What a program in a string of several lines imports, as tests start some; it need not be whole."""
    for origin, names in _IMPORT_LINE.findall(text):
        yield from (f"{origin}.{name.split()[0]}" if origin else name.split()[0] for name in names.split(","))


def _modules_of(mentioned: str, known: dict[str, Path]) -> Iterator[str]:
    """The project's modules that an import runs."""
    if mentioned.split(".")[0] == _PACKAGE and _PACKAGE in known:
        yield _PACKAGE
    if found := _longest_known(mentioned.removeprefix(f"{_PACKAGE}."), known):
        yield found


def _longest_known(dotted: str, known: dict[str, Path]) -> str | None:
    while dotted and dotted not in known:
        dotted = dotted.rpartition(".")[0]
    return dotted or None


def _rule_of(path: Path, tree: ast.Module) -> str:
    if path.stem.endswith("_test"):
        return "py_test"
    tests = (node.test for node in tree.body if isinstance(node, ast.If))
    return "py_binary" if any(ast.unparse(test) == "__name__ == '__main__'" for test in tests) else "py_library"


def read_build_file(text: str) -> BuildFile:
    """Reads a BUILD file, which is Python by its syntax."""
    package: dict[str, object] = {}
    targets: dict[str, dict[str, object]] = {}
    for statement in ast.parse(text).body:
        if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
            continue
        call = statement.value
        attributes = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
        if ast.unparse(call.func) == "package":
            package = attributes
        elif "name" in attributes:
            targets[str(attributes["name"])] = attributes
    return BuildFile(package, targets)


def render(package: str, modules: dict[str, Module], written: BuildFile) -> str:
    """The BUILD file of a folder, in buildifier's layout.

    Args:
      package: the folder, as in `data/faces`.
      modules: every module of the project, by dotted name.
      written: what the folder's BUILD holds now.
    """
    mine = sorted(
        (module for module in modules.values() if module.package == package), key=lambda module: module.target
    )
    rules = ", ".join(f'"{rule}"' for rule in sorted({module.rule for module in mine}))
    parts = [f'load("//bazel:python.bzl", {rules})']
    visibility = list(_VISIBLE_TO.get(package.split("/")[0], _PUBLIC))
    parts.append(_call("package", {"default_visibility": visibility} | written.package))
    parts += [_call(module.rule, _attributes(module, modules, written)) for module in mine]
    return "\n\n".join(parts) + "\n"


def _attributes(module: Module, modules: dict[str, Module], written: BuildFile) -> dict[str, object]:
    by_hand = written.targets.get(module.target, {})
    attributes: dict[str, object] = {"name": module.target, "srcs": [module.path.name]}
    if module.rule == "py_test":
        attributes["size"] = "medium" if _SLOW_TO_START in _reached(module, modules) else "small"
    attributes |= {key: value for key, value in by_hand.items() if key not in _MADE_ATTRIBUTES}
    labels = [_label(modules[imported], module.package) for imported in module.imports]
    if labels:
        attributes["deps"] = sorted(labels, key=lambda label: (label.startswith("//"), label.replace(":", "!")))
    return attributes


def _label(imported: Module, package: str) -> str:
    if imported.package == package:
        return f":{imported.target}"
    if imported.package.split("/")[-1] == imported.target:
        return f"//{imported.package}"
    return f"//{imported.package}:{imported.target}"


def _reached(module: Module, modules: dict[str, Module]) -> set[str]:
    reached: set[str] = set()
    waiting = set(module.imports)
    while waiting:
        reached |= waiting
        waiting = {name for seen in waiting for name in modules[seen].imports} - reached
    return reached


def _call(rule: str, attributes: dict[str, object]) -> str:
    order = {name: place for place, name in enumerate(_ATTRIBUTE_ORDER)} | {"deps": 99, "visibility": 100}
    lines = [
        f"{name} = {_value(attributes[name])}" for name in sorted(attributes, key=lambda name: order.get(name, 50))
    ]
    if rule == "package" and "\n" not in lines[0]:
        return f"{rule}({', '.join(lines)})"
    return f"{rule}(\n" + "".join(f"    {line},\n" for line in lines) + ")"


def _value(value: object) -> str:
    if isinstance(value, list) and len(value) > 1:
        return "[\n" + "".join(f"        {_value(item)},\n" for item in value) + "    ]"
    if isinstance(value, list):
        return "[" + "".join(_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_value(key)}: {_value(item)}" for key, item in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def untrue_build_files(root: Path) -> dict[Path, str]:
    """The BUILD files below `root` that are missing or not true, each with the text it should have."""
    modules = read_modules(root)
    untrue = {}
    for package in sorted({module.package for module in modules.values()}):
        path = root / package / "BUILD"
        text = path.read_text() if path.exists() else ""
        expected = render(package, modules, read_build_file(text))
        if text != expected:
            untrue[path] = expected
    return untrue


def main(arguments: list[str] | None = None) -> int:
    """Checks or writes the BUILD files; returns the exit status."""
    parser = argparse.ArgumentParser(description="Keeps the BUILD files true to the imports.")
    parser.add_argument("--root", type=Path, default=Path(), help="the folder of WORKSPACE (default: where you stand)")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="name the BUILD files that are not true")
    mode.add_argument("--write", action="store_true", help="bring the BUILD files up to date")
    options = parser.parse_args(arguments)
    untrue = untrue_build_files(options.root)
    for path, expected in untrue.items():
        if options.write:
            path.write_text(expected)
            print(f"wrote {path}")
        else:
            print(f"{path}: not what the imports say; run python -m bazel.build_files --write", file=sys.stderr)
    return 1 if untrue and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
