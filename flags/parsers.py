"""What the settings may be that several programs share: the parsers of their flags, for checks in Python, too.

Importing this defines no flag: a program that uses GoodNet may have its own --seed.
"""

from collections.abc import Mapping
from typing import Any

from absl import flags

from goodnet.data.use import TEST, TRAIN, VAL
from goodnet.export.precisions import FASTEST, PRECISIONS
from goodnet.flags.settings import FiniteParser
from goodnet.models.networks.names import NAMES

# A flag belongs to the module that asks for it here.
flags.disclaim_key_flags()

# By the name of the flag. NumPy's and TensorFlow's seeds are 32 bits.
PARSERS: Mapping[str, flags.ArgumentParser] = {
    "architecture": flags.EnumParser(NAMES),
    "batch_size": flags.IntegerParser(1),
    "channel_order": flags.EnumParser(("auto", "rgb", "bgr")),
    "clean_part": flags.EnumParser((TRAIN, VAL, TEST)),
    "input_scale": flags.EnumParser(("auto", "unit", "byte", "symmetric", "torch", "caffe", "per_image", "mean_std")),
    "max_multiply_adds": flags.IntegerParser(1, 10**15),
    "max_shift": flags.IntegerParser(0),
    "min_parity": FiniteParser(0.0, 1.0),
    "precision": flags.EnumParser((*PRECISIONS, FASTEST)),
    "seed": flags.IntegerParser(0, 2**32 - 1),
}


def define(name: str, default: Any, description: str) -> "flags.FlagHolder[Any]":
    """Defines the flag of a shared setting; it belongs to the calling module.

    Args:
        name: of the setting.
        default: without the flag.
        description: for --help.

    Returns:
        The holder of its value.
    """
    parser = PARSERS[name]
    if isinstance(parser, flags.EnumParser):
        return flags.DEFINE_enum(name, default, parser.enum_values, description)
    return flags.DEFINE(parser, name, default, description, serializer=flags.ArgumentSerializer())
