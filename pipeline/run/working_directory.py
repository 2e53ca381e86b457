"""Where the user stands: relative paths mean the folder the command was typed in, also under `bazel run`."""

import os


def enter_working_directory() -> None:
    """Goes to the folder in which the user typed `bazel run`; does nothing when Bazel did not start this process.

    Bazel starts a binary in its own tree of links and leaves the user's folder in `BUILD_WORKING_DIRECTORY`.
    """
    folder = os.environ.get("BUILD_WORKING_DIRECTORY")
    if folder:
        os.chdir(folder)
