"""The error a user can mend."""


class InputError(ValueError):
    """A file, a folder or a flag is not what was expected.

    The message is one line that names the file or flag, says what is wrong and what was expected. The binaries print it
    to stderr and exit with status 1, without a traceback.
    """
