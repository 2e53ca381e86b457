"""What travels inside a .tflite file beside the graph: one JSON document, the card, and the names of the answers.

They lie in a zip archive behind the flatbuffer, as "associated files" do in TFLite's metadata standard. Runtimes don't
read that far; `unzip -p detector.tflite detector.json` shows the card. Standard library only: the device reads it too.
"""

import dataclasses
import hashlib
import io
import json
import math
import os
import zipfile
from dataclasses import dataclass
from typing import Any

from goodnet.export.regular_files import open_regular

SCHEMA_VERSION = 1
CARD_NAME = "detector.json"
# One name a line, class N of a detector last: what the tools of the field call the scores.
LABELS_NAME = "labels.txt"

_LARGEST_CARD = 4 * 2**20
# Offsets in a flatbuffer are signed, of 32 bits.
_LARGEST_FILE = 2**31
# What zip archives are usually made of; the decoders of others take the memory that the file asks for.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_EXPECTED = "expected a file as the exporter wrote it"
# The oldest date that a zip can hold: the same card gives the same bytes on any day.
_NO_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class DetectorCard:
    """What a device must know about a file, and a person would like to.

    Attributes:
        classes: number of classes, N; a detector answers N for "backdoor".
        image_shape: (height, width, channels) of an image.
        precision: of the conversion, such as "int8".
        threshold: suspicion in [0, 1] above which the graph answers N; None for a plain classifier.
        class_names: names of the classes 0..N-1, or None.
        max_false_positive_rate: share of clean images, in [0, 1], that the threshold was calibrated to lose at most;
            None if it was given, not calibrated.
        calibration_images: clean images that the threshold was calibrated on, or None.
        input_scale: name of the scaling that happens inside the graph, such as "0..1", or None.
        keras_sha256: SHA-256, in hexadecimal, of the Keras file that the graph was converted from, or None.
        suspect_sha256: the same of the file in which the suspect came that a detector is made for, or None: it came in
            memory, or the run that made the detector is not known.
        graph_sha256: the same of the graph and of all other files before the card; `add_bundle` fills it in,
            `read_card` insists on it and compares.
        schema_version: of these fields.
    """

    classes: int
    image_shape: tuple[int, int, int]
    precision: str
    threshold: float | None = None
    class_names: tuple[str, ...] | None = None
    max_false_positive_rate: float | None = None
    calibration_images: int | None = None
    input_scale: str | None = None
    keras_sha256: str | None = None
    suspect_sha256: str | None = None
    graph_sha256: str | None = None
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Raises ValueError, one line, if a field is not what it should be."""
        _check(isinstance(self.schema_version, int) and self.schema_version == SCHEMA_VERSION, self, "schema_version")
        _check(_is_count(self.classes, least=2), self, "classes")
        shape = self.image_shape
        _check(isinstance(shape, tuple) and len(shape) == 3 and all(map(_is_count, shape)), self, "image_shape")
        _check(isinstance(self.precision, str), self, "precision")
        for field in ("threshold", "max_false_positive_rate"):
            _check(getattr(self, field) is None or _is_share(getattr(self, field)), self, field)
        _check(
            self.calibration_images is None or _is_count(self.calibration_images, least=0), self, "calibration_images"
        )
        for field in ("input_scale", "keras_sha256", "suspect_sha256", "graph_sha256"):
            _check(isinstance(getattr(self, field), str | None), self, field)
        names = self.class_names
        named = isinstance(names, tuple) and len(names) == self.classes and all(isinstance(name, str) for name in names)
        _check(names is None or named, self, "class_names")

    def to_json(self) -> str:
        """The card as a JSON document, readable by people."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "DetectorCard":
        """Reads `to_json`'s document; fields of later versions that this one does not know are left aside.

        Raises:
            ValueError: not such a document.
        """
        try:
            found = json.loads(text)
        except (RecursionError, UnicodeDecodeError, ValueError) as error:
            raise ValueError(f"{CARD_NAME} is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise ValueError(f"{CARD_NAME} holds {type(found).__name__}; expected an object")
        fields = dataclasses.fields(cls)
        missing = [f.name for f in fields if f.default is dataclasses.MISSING and f.name not in found]
        if missing:
            raise ValueError(f"{CARD_NAME} lacks {', '.join(missing)}")
        return cls(**{f.name: _tuple(found[f.name]) for f in fields if f.name in found})


def add_bundle(tflite: bytes, card: DetectorCard) -> bytes:
    """Appends a card and `LABELS_NAME` to a TFLite file's contents; both runtimes still load the result.

    Args:
        tflite: contents of a .tflite file; other associated files in it are kept.
        card: the card.

    Returns:
        The new contents; the same for the same arguments.

    Raises:
        ValueError: there is a card already.
    """
    contents = io.BytesIO(tflite)
    with zipfile.ZipFile(contents, mode="a") as archive:
        if CARD_NAME in archive.namelist():
            raise ValueError(f"the TFLite file holds {CARD_NAME} already; expected one fresh from conversion")
        # Stored: MediaPipe opens no file with anything compressed in it.
        if LABELS_NAME not in archive.namelist():
            archive.writestr(zipfile.ZipInfo(LABELS_NAME, date_time=_NO_DATE), labels_text(card))
        graph = contents.getvalue()[: archive.start_dir]
        card = dataclasses.replace(card, graph_sha256=hashlib.sha256(graph).hexdigest())
        archive.writestr(zipfile.ZipInfo(CARD_NAME, date_time=_NO_DATE), card.to_json())
    return contents.getvalue()


def labels_text(card: DetectorCard) -> str:
    """`LABELS_NAME`: the name of each answer, one a line; of a detector, `backdoor` last."""
    names = card.class_names or tuple(map(str, range(card.classes)))
    every = names if card.threshold is None else (*names, "backdoor")
    # A name may hold anything, and a line is one name.
    return "".join(" ".join(name.split()) + "\n" for name in every)


def read_card(path: str) -> DetectorCard | None:
    """The card of a file, as `card_of`; errors also as for `contents_of`."""
    return card_of(contents_of(path), path)


def contents_of(path: str) -> bytes:
    """Reads a .tflite file whole.

    Raises:
        OSError: the file can't be read.
        ValueError: one line: it is no regular file, or larger than a TFLite file can be.
    """
    try:
        opened = open_regular(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    with opened as file:
        size = file.seek(0, os.SEEK_END)
        if size > _LARGEST_FILE:
            raise ValueError(f"{path}: {size} bytes, more than {_LARGEST_FILE}; {_EXPECTED}")
        file.seek(0)
        return file.read(size)


def card_of(contents: bytes, path: str) -> DetectorCard | None:
    """Finds the card in a .tflite file, and checks that the graph is the one it was written for.

    Args:
        contents: of the file.
        path: of the file, for messages.

    Returns:
        The card, or None if there is none: the file never had one, or its end is cut off.

    Raises:
        ValueError: the card or the graph is damaged; the message is one line that names the file.
    """
    found = _card_text(contents, path)
    if found is None:
        return None
    text, card_start = found
    try:
        card = DetectorCard.from_json(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; {_EXPECTED}") from error
    if card.graph_sha256 is None:
        raise ValueError(f"{path}: its card lacks graph_sha256, by which a changed graph is noticed; {_EXPECTED}")
    # A runtime that does not verify what it loads dies of a damaged graph, without a word.
    if card.graph_sha256 != hashlib.sha256(memoryview(contents)[:card_start]).hexdigest():
        raise ValueError(
            f"{path}: its graph is not the one that was exported with its card; damaged, or replaced; {_EXPECTED}"
        )
    return card


def _card_text(contents: bytes, path: str) -> tuple[bytes, int] | None:
    """The card's JSON and where it starts; None if there is no card."""
    file = io.BytesIO(contents)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename == CARD_NAME]
            if not entries:
                return None
            if len(entries) > 1 or entries[0].compress_type not in _COMPRESSIONS:
                raise ValueError("it is there twice, or compressed in an unusual way")
            with archive.open(entries[0]) as entry:
                text = entry.read(_LARGEST_CARD + 1)
            card_start = entries[0].header_offset
    except zipfile.BadZipFile as error:
        if zipfile.is_zipfile(file):
            raise ValueError(f"{path}: its card is damaged ({error}); {_EXPECTED}") from error
        return None
    except Exception as error:  # zipfile raises whatever damaged bytes make of it, LZMAError and struct.error too.
        raise ValueError(f"{path}: its card is damaged ({error}); {_EXPECTED}") from error
    if len(text) > _LARGEST_CARD:
        raise ValueError(f"{path}: its card has more than {_LARGEST_CARD} bytes; {_EXPECTED}")
    return text, card_start


def _check(good: bool, card: DetectorCard, field: str) -> None:
    if not good:
        shown = repr(getattr(card, field))
        raise ValueError(
            f"{CARD_NAME}: {field} is {shown if len(shown) <= 60 else shown[:60] + '...'}; not a valid {field}"
        )


def _is_count(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**31


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 1


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
