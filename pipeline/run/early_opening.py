"""A binary that opens a model imports this right after `early_interruption`.

The process that opens models and this one then import TensorFlow at the same time, which takes seconds.
"""

import contextlib
import sys

from goodnet.models.loading.opener import start_opener
from goodnet.pipeline.run.early_interruption import is_started_as_a_program

if is_started_as_a_program(sys.argv[0]):
    # What keeps it from starting is said when a model is opened.
    with contextlib.suppress(OSError):
        start_opener()
