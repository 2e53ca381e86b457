"""How images are read, where that is for the user to say."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ReadingOptions:
    """What is done to images on their way in.

    Attributes:
        resize: images of another size than the model's are scaled to it (bilinearly); pictures of a folder may then
            differ in size.
        exif_orientation: pictures are turned as their EXIF data says.
        crop_to_roi: of pictures that a table gives a region of interest for (GTSRB), only that is taken.
        clean_part: which of several parts clean data is, "train", "val" or "test"; None for `Use.CLEAN`'s choice.
    """

    resize: bool = False
    exif_orientation: bool = False
    crop_to_roi: bool = False
    clean_part: str | None = None


AS_STORED = ReadingOptions()
