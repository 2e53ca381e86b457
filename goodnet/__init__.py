"""GoodNet: audits, repairs and exports Keras image classifiers that may be backdoored.

`audit`, `repair` and `detect` work on objects in memory (`goodnet.pipeline.api.library`). Importing the package imports
nothing else until one of them is used: what runs on a device has no TensorFlow.
"""

import importlib
import os
from typing import Any

__version__ = "0.1.0"

# In a checkout the packages stand beside this folder, so that `python -m pipeline.repair` works there: goodnet.data is
# ./data. Installed they stand in it.
_here = os.path.dirname(os.path.abspath(__file__))
if not os.path.isdir(os.path.join(_here, "export")):
    __path__.append(os.path.dirname(_here))

_LIBRARY = ("InputError", "audit", "detect", "repair")


def __getattr__(name: str) -> Any:
    if name in _LIBRARY:
        return getattr(importlib.import_module("goodnet.pipeline.api.library"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted((*globals(), *_LIBRARY))
