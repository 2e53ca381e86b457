"""A binary imports this before all else.

Ctrl-C while it imports the rest, which takes seconds, is one line, too. Modules in the folder where it is started are
not imported. A standard stream that is closed takes no other file's place.
"""

# isort: skip_file
# Until the folder is off the search path nothing may be imported that a starting Python has not imported already.
import os
import sys


def is_started_as_a_program(argv_0: str) -> bool:
    """Whether this process runs one of the binaries in pipeline/, rather than something that imports this.

    Args:
        argv_0: `sys.argv[0]`, the file of the module that runs.
    """
    return os.path.dirname(os.path.abspath(argv_0)) == os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


if is_started_as_a_program(sys.argv[0]):
    import goodnet.export.own_modules_first  # noqa: F401
    from goodnet.pipeline.run.standard_streams import open_closed_streams

    open_closed_streams()
    from goodnet.pipeline.run.interrupting import end_at_once_when_interrupted

    end_at_once_when_interrupted()
