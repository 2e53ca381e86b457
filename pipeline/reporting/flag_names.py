"""The flags that a message names, for readers who have no command line.

Messages of this program name a setting as the flag `--name`.
"""

import re
from collections.abc import Mapping

# A placeholder after a flag, as in --class_names=FILE, says how a command line is written.
_FLAG = re.compile(r"(?<![^\s(,;:'\"])--([a-z]+(?:_[a-z]+)*)(?:=[A-Z][A-Z_]*\b)?(?![\w-])")


def naming_settings(message: str, names: Mapping[str, str] | None = None) -> str:
    """A message with settings in place of flags.

    Args:
        message: names flags.
        names: of the settings that are not called as their flags are, by flag.
    """
    return _FLAG.sub(lambda flag: (names or {}).get(flag[1], flag[1]), message)


def flags_named(message: str) -> list[str]:
    """The flags that a message names."""
    return _FLAG.findall(message)
