"""Where TensorFlow trains: one strategy for one device or several."""

from collections.abc import Sequence
from dataclasses import dataclass

from goodnet.data.errors import InputError
from goodnet.models.legacy_keras import tf


@dataclass(frozen=True)
class Devices:
    """The devices of a run.

    Attributes:
        strategy: the `tf.distribute.Strategy` to build and train models under.
        names: what the manifest says of them, for example `("GPU:0 NVIDIA T4",)` or `("CPU:0",)`.
    """

    strategy: tf.distribute.Strategy
    names: tuple[str, ...]


def select_devices(kind: str) -> Devices:
    """Chooses the devices to train on, before TensorFlow has used any.

    Args:
        kind: "auto" (every GPU there is, else the CPU), "cpu" or "gpu".

    Returns:
        One device under the default strategy; several GPUs under `MirroredStrategy`.

    Raises:
        InputError: "gpu" was asked for and TensorFlow sees none.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if kind == "gpu" and not gpus:
        raise InputError("--device=gpu: TensorFlow sees no GPU on this machine; expected auto or cpu here")
    if kind == "cpu":
        tf.config.set_visible_devices([], "GPU")
        gpus = []
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus:
        return Devices(tf.distribute.get_strategy(), ("CPU:0",))
    names = tuple(_gpu_name(index, gpu) for index, gpu in enumerate(gpus))
    if len(gpus) == 1:
        return Devices(tf.distribute.get_strategy(), names)
    return Devices(tf.distribute.MirroredStrategy(), names)


def devices_of(strategy: tf.distribute.Strategy | None) -> Devices:
    """The devices of a caller's strategy, or TensorFlow's first; none of TensorFlow's settings is changed."""
    if strategy is not None:
        names: Sequence[str] = strategy.extended.worker_devices
    else:
        logical = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        strategy, names = tf.distribute.get_strategy(), [logical[0].name]
    return Devices(strategy, tuple(name.rpartition("device:")[2] for name in names))


def mirrored_devices(devices: list[str]) -> Devices:
    """Several named devices (for example logical ones, "CPU:0" and "CPU:1") as one mirrored run."""
    return Devices(tf.distribute.MirroredStrategy(devices), tuple(devices))


def _gpu_name(index: int, gpu: "tf.config.PhysicalDevice") -> str:
    details = tf.config.experimental.get_device_details(gpu)
    return f"GPU:{index} {details.get('device_name', '')}".strip()
