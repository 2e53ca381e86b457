"""The error a user can mend."""


class InputError(ValueError):
    """A file, a folder or a flag is not what was expected.

    The message is one line that names the file or flag, says what is wrong and what was expected. The binaries print it
    to stderr and exit with status 1, without a traceback.
    """


def shown(name: str) -> str:
    """A name out of a file for a message: without control characters, and no longer than 60 characters."""
    text = "".join(character if character.isprintable() else "?" for character in name)
    return text if len(text) <= 60 else text[:57] + "..."
