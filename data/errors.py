"""The error a user can mend, and names out of files in its message."""

from goodnet.export.errors import InputError

__all__ = ["InputError", "shown"]


def shown(name: str) -> str:
    """A name out of a file for a message: without control characters, and no longer than 60 characters."""
    text = "".join(character if character.isprintable() else "?" for character in name)
    return text if len(text) <= 60 else text[:57] + "..."
