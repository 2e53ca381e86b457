"""Importing this keeps `python -m export.detect` from importing what lies in the folder where it is started.

Python puts that folder first on its search path, so an `h5py.py` or an `argparse.py` beside the pictures would be run.
The folder stays on the path only where it is this project's own. This module has to be imported before anything else,
and imports nothing but what a starting Python has imported already.
"""

import os
import sys

import goodnet

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(goodnet.__file__)))


def _is_started_in(folder: str) -> bool:
    try:
        return os.path.samefile(folder or os.curdir, os.curdir)
    except OSError:
        return False


if not os.path.samefile(_ROOT, os.curdir):
    sys.path[:] = [folder for folder in sys.path if not _is_started_in(folder)]
