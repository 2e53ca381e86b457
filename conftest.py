"""Lets pytest run absl's tests, and leaves those that take long to `--large`.

Which take long, the BUILD files say: `size = "large"`. They go first, since workers that share the files out would
otherwise end one after the other.
"""

import gc
import re
from pathlib import Path

import pytest
from absl import flags

# absl's temporary folders are flags, which pytest does not parse.
flags.FLAGS.mark_as_parsed()

_LARGE = re.compile(r'name = "(\w+)",\n +size = "large"')


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--large`."""
    parser.addoption("--large", action="store_true", help="run the tests of size large, too")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Passes over large tests unless they are asked for."""
    return True if not config.getoption("large") and _is_large(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts large tests first."""
    items.sort(key=lambda item: not _is_large(item.path))


def pytest_collection_finish() -> None:
    """Spares the garbage collector what was imported, hundreds of thousands of objects, and frequent work."""
    gc.collect()
    gc.freeze()
    # TensorFlow makes many objects and keeps most of them.
    gc.set_threshold(50_000, 20, 20)


def _is_large(path: Path) -> bool:
    build = path.with_name("BUILD")
    return path.suffix == ".py" and build.is_file() and path.stem in _LARGE.findall(build.read_text())
