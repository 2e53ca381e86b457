"""The error a user can mend, and names out of files in its message."""

from goodnet.export.errors import InputError
from goodnet.export.printable import printable

__all__ = ["InputError", "shown"]


def shown(name: str) -> str:
    """A name out of a file for a message: what a person can see of it, and no more than 60 characters."""
    return printable(name, limit=60)
