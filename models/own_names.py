"""Names of the layers that this project adds to a suspect; no layer of an opened suspect has such a name."""

_PREFIX = "goodnet_"


def own_name(name: str) -> str:
    """The name of a layer that is added beside a suspect's own."""
    return _PREFIX + name


def without_own_prefix(name: str) -> str:
    """Changes a suspect's name so that it cannot equal a name of `own_name`, or one derived from it."""
    return name.replace(_PREFIX, "goodnet.")
