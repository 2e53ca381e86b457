"""The layouts that people have images in: what opens, and whether it is what was written.

    python -m bench.image_layouts > table.md

Each layout is written to a temporary folder and opened as a command opens it. What opens is held against the source,
pixel by pixel and label by label; what is refused shows its line. Nothing is needed but this checkout.
"""

from __future__ import annotations

import os
import pathlib
import pickle
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from absl import app, logging
from PIL import Image

from bench.markdown import markdown
from goodnet.data.errors import InputError
from goodnet.data.fitting import fitted
from goodnet.data.opening import open_image_set
from goodnet.data.reading_options import AS_STORED, ReadingOptions
from goodnet.data.use import Use

_COUNT, _CLASSES, _SHAPE = 24, 4, (12, 10, 3)
_RNG = np.random.default_rng(0)
_IMAGES = _RNG.integers(0, 256, (_COUNT, *_SHAPE), dtype=np.uint8)
_IMAGES[0, 0, 0], _IMAGES[0, 0, 1] = 0, 255
_LABELS = np.arange(_COUNT) % _CLASSES
_ONE_HOT = np.eye(_CLASSES)[_LABELS]
_GREY = _IMAGES[..., :1]
_FIRST, _LAST = slice(0, 16), slice(16, _COUNT)
_NAMES = ("bird", "cat", "dog", "ship")

_Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Layout:
    """A way to keep images and labels.

    Attributes:
        name: for the table.
        write: writes it into an empty folder; gives the path, beside the folder, that a flag would name.
        images: uint8 [n, H, W, C] that should be read; None if it is to be refused.
        labels: int64 [n] of these.
        options: how it is read.
        use: the flag that names it.
    """

    name: str
    write: Callable[[pathlib.Path], str]
    images: np.ndarray | None = None
    labels: np.ndarray | None = None
    options: ReadingOptions = AS_STORED
    use: Use = Use.CLEAN

    @property
    def flags(self) -> str:
        """What a command is given, but for the path."""
        options = [name for name in ("resize", "exif_orientation", "crop_to_roi") if getattr(self.options, name)]
        if self.options.clean_part:
            options.append(f"clean_part={self.options.clean_part}")
        return " ".join([f"`--{self.use.flag}`", *(f"`--{name}`" for name in options)])


def outcome(layout: Layout) -> str:
    """What becomes of a layout: "equal, N images", "differs", or "refused: LINE"."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, layout.write(pathlib.Path(folder)))
        try:
            found = open_image_set(path, True, None, layout.options, layout.use)
            if layout.images is not None:
                _, height, width, channels = layout.images.shape
                found = fitted(found, (height, width, channels))
            images, labels = found.images(), found.labels
        except InputError as error:
            return "refused: " + str(error).replace(path, os.path.basename(path)).replace(folder + os.sep, "")
    if layout.images is None or layout.labels is None:
        return "opened, but it should be refused"
    # A folder has an order of its own.
    same = _sorted(images, labels) == _sorted(layout.images, layout.labels)
    return f"equal, {len(labels)} images" if same else "differs"


def _sorted(images: np.ndarray, labels: Iterable[int]) -> list[tuple[bytes, int, tuple[int, ...]]]:
    return sorted((image.tobytes(), int(label), image.shape) for image, label in zip(images, labels, strict=True))


def _hdf5(arrays: _Arrays, **options: object) -> Callable[[pathlib.Path], str]:
    def write(folder: pathlib.Path) -> str:
        with h5py.File(folder / "set.h5", "w") as file:
            for name, array in arrays.items():
                file.create_dataset(name, data=array, **(options if array.ndim > 1 else {}))
        return "set.h5"

    return write


def _npz(arrays: _Arrays, save: Callable[..., None] = np.savez) -> Callable[[pathlib.Path], str]:
    def write(folder: pathlib.Path) -> str:
        save(folder / "set.npz", **arrays)
        return "set.npz"

    return write


def _npy(arrays: _Arrays, named: str = ".") -> Callable[[pathlib.Path], str]:
    def write(folder: pathlib.Path) -> str:
        for name, array in arrays.items():
            np.save(folder / name, array)
        return named

    return write


def _save(path: pathlib.Path, image: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path, **options)


def _tree(
    names: Sequence[str],
    images: np.ndarray = _IMAGES,
    suffix: str = "png",
    part: str = "",
    numbers: slice = slice(None),
) -> Callable[[pathlib.Path], str]:
    def write(folder: pathlib.Path) -> str:
        for number in range(_COUNT)[numbers]:
            _save(folder / "set" / part / names[_LABELS[number]] / f"{number:03}.{suffix}", images[number])
        return "set"

    return write


def _all(*writers: Callable[[pathlib.Path], str]) -> Callable[[pathlib.Path], str]:
    def write(folder: pathlib.Path) -> str:
        path = ""
        for one in writers:
            path = one(folder)
        return path

    return write


def _of_two_sizes(folder: pathlib.Path) -> str:
    for number, image in enumerate(_IMAGES):
        times = 1 + number % 2
        _save(folder / "set" / str(_LABELS[number]) / f"{number}.png", image.repeat(times, 0).repeat(times, 1))
    return "set"


def _scaled() -> np.ndarray:
    found = []
    for number, image in enumerate(_IMAGES):
        times = 1 + number % 2
        picture = Image.fromarray(image.repeat(times, 0).repeat(times, 1))
        found.append(np.asarray(picture.resize((_SHAPE[1], _SHAPE[0]), Image.Resampling.BILINEAR)))
    return np.stack(found)


def _named_with_labels(folder: pathlib.Path) -> str:
    for number, image in enumerate(_IMAGES):
        _save(folder / "set" / f"cl_{number}_label={_LABELS[number]}.png", image)
    return "set"


def _kaggle(folder: pathlib.Path) -> str:
    for table, numbers in (("Train", _FIRST), ("Test", _LAST)):
        lines = ["Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path"]
        for number in range(_COUNT)[numbers]:
            _save(folder / "set" / table / f"{number:05}.png", _IMAGES[number])
            lines.append(f"10,12,1,2,9,10,{_LABELS[number]},{table}/{number:05}.png")
        (folder / "set" / f"{table}.csv").write_text("\n".join(lines))
    (folder / "set" / "Meta.csv").write_text("Path,ClassId,ShapeId,ColorId,SignId\nMeta/0.png,0,0,0,1\n")
    return "set"


def _gtsrb(folder: pathlib.Path) -> str:
    for label in range(_CLASSES):
        lines = ["Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"]
        for number in np.flatnonzero(label == _LABELS):
            _save(folder / "set" / f"{label:05}" / f"{number:05}.ppm", _IMAGES[number])
            lines.append(f"{number:05}.ppm;10;12;1;2;9;10;{label}")
        (folder / "set" / f"{label:05}" / f"GT-{label:05}.csv").write_text("\n".join(lines))
    return "set"


def _gtsrb_test(folder: pathlib.Path) -> str:
    lines = ["Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"]
    for number, image in enumerate(_IMAGES):
        _save(folder / "set" / f"{number:05}.ppm", image)
        lines.append(f"{number:05}.ppm;10;12;1;2;9;10;{_LABELS[number]}")
    (folder / "set" / "GT-final_test.csv").write_text("\n".join(lines))
    return "set"


def _table_of_names(folder: pathlib.Path) -> str:
    for number, image in enumerate(_IMAGES):
        _save(folder / "set" / f"{number}.png", image)
    lines = ["filename,label", *(f"{number}.png,{_NAMES[label]}" for number, label in enumerate(_LABELS))]
    (folder / "set" / "labels.csv").write_text("\n".join(lines))
    return "set"


def _turned(folder: pathlib.Path) -> str:
    for number, image in enumerate(_IMAGES):
        exif = Image.Exif()
        exif[0x112] = 6
        _save(folder / "set" / str(_LABELS[number]) / f"{number}.png", np.rot90(image), exif=exif)
    return "set"


def _pickle(folder: pathlib.Path) -> str:
    (folder / "set.pkl").write_bytes(pickle.dumps((_IMAGES, _LABELS)))
    return "set.pkl"


_FLOATS = (_IMAGES / 255).astype(np.float32)
_SPLIT = {"x_train": _IMAGES[_FIRST], "y_train": _LABELS[_FIRST], "x_test": _IMAGES[_LAST], "y_test": _LABELS[_LAST]}
_CROPPED = np.ascontiguousarray(_IMAGES[:, 2:10, 1:9])
_TO_GREY = np.stack([np.asarray(Image.fromarray(image).convert("L"))[..., None] for image in _IMAGES])


def _pair(images: np.ndarray = _IMAGES, labels: np.ndarray = _LABELS, names: str = "data label") -> _Arrays:
    return dict(zip(names.split(), (images, labels), strict=True))


LAYOUTS = (
    Layout("HDF5 `data`, `label`, N x C x H x W (CSAW)", _hdf5(_pair(_IMAGES.transpose(0, 3, 1, 2))), _IMAGES, _LABELS),
    Layout("HDF5 N x H x W x C", _hdf5(_pair()), _IMAGES, _LABELS),
    Layout("HDF5 in compressed chunks", _hdf5(_pair(), chunks=True, compression="gzip"), _IMAGES, _LABELS),
    Layout("HDF5 N x H x W (grey)", _hdf5(_pair(_GREY[..., 0])), _GREY, _LABELS),
    Layout("HDF5 N x 1 x H x W (grey)", _hdf5(_pair(_GREY.transpose(0, 3, 1, 2))), _GREY, _LABELS),
    Layout("HDF5 floats 0..255", _hdf5(_pair(_IMAGES.astype(np.float32))), _IMAGES, _LABELS),
    Layout("HDF5 floats 0..1", _hdf5(_pair(_FLOATS)), _IMAGES, _LABELS),
    Layout("HDF5 half-precision floats 0..1", _hdf5(_pair(_FLOATS.astype(np.float16))), _IMAGES, _LABELS),
    Layout("HDF5 labels N x 1", _hdf5(_pair(labels=_LABELS[:, None])), _IMAGES, _LABELS),
    Layout("HDF5 labels 1 x N", _hdf5(_pair(labels=_LABELS[None])), _IMAGES, _LABELS),
    Layout("HDF5 one-hot labels", _hdf5(_pair(labels=_ONE_HOT)), _IMAGES, _LABELS),
    Layout("HDF5 one-hot booleans", _hdf5(_pair(labels=_ONE_HOT > 0)), _IMAGES, _LABELS),
    Layout("HDF5 `images`, `labels`", _hdf5(_pair(names="images labels")), _IMAGES, _LABELS),
    Layout("HDF5 `x`, `y`", _hdf5(_pair(names="x y")), _IMAGES, _LABELS),
    Layout(
        "HDF5 `X_train`, `Y_train`, `X_test`, `Y_test`, one-hot (Neural Cleanse's GTSRB)",
        _hdf5(
            {
                "X_train": _IMAGES[_FIRST],
                "Y_train": _ONE_HOT[_FIRST],
                "X_test": _IMAGES[_LAST],
                "Y_test": _ONE_HOT[_LAST],
            }
        ),
        _IMAGES[_FIRST],
        _LABELS[_FIRST],
    ),
    Layout(
        "HDF5 `train_set_x`, `train_set_y`, `test_set_x`, ...",
        _hdf5({f"{key.split('_')[1]}_set_{key[0]}": value for key, value in _SPLIT.items()}),
        _IMAGES[_LAST],
        _LABELS[_LAST],
        use=Use.TEST,
    ),
    Layout("npz of `savez`, `data`, `label`", _npz(_pair()), _IMAGES, _LABELS),
    Layout("npz of `savez_compressed`", _npz(_pair(), np.savez_compressed), _IMAGES, _LABELS),
    Layout("npz N x C x H x W", _npz(_pair(_IMAGES.transpose(0, 3, 1, 2))), _IMAGES, _LABELS),
    Layout("npz in Fortran order", _npz(_pair(np.asfortranarray(_IMAGES))), _IMAGES, _LABELS),
    Layout("npz N x H x W (grey)", _npz(_pair(_GREY[..., 0])), _GREY, _LABELS),
    Layout("npz `x_train`, `y_train`, `x_test`, `y_test` (Keras)", _npz(_SPLIT), _IMAGES[_FIRST], _LABELS[_FIRST]),
    Layout("the same", _npz(_SPLIT), _IMAGES[_LAST], _LABELS[_LAST], use=Use.TEST),
    Layout("the same", _npz(_SPLIT), _IMAGES[_FIRST], _LABELS[_FIRST], use=Use.TRAINING),
    Layout("the same", _npz(_SPLIT), _IMAGES[_LAST], _LABELS[_LAST], ReadingOptions(clean_part="test")),
    Layout("the same", _npz(_SPLIT), options=ReadingOptions(clean_part="val")),
    Layout(
        "npz `x_test`, `y_test` alone",
        _npz({k: v for k, v in _SPLIT.items() if "test" in k}),
        _IMAGES[_LAST],
        _LABELS[_LAST],
    ),
    Layout(
        "npz `train_images`, `train_labels`, `val_...`, `test_...` (MedMNIST)",
        _npz(
            {
                f"{part}_{kind}": array[of]
                for part, of in (("train", slice(0, 8)), ("val", slice(8, 16)), ("test", _LAST))
                for kind, array in (("images", _GREY[..., 0]), ("labels", _LABELS[:, None]))
            }
        ),
        _GREY[8:16],
        _LABELS[8:16],
    ),
    Layout("folder with `x.npy`, `y.npy`", _npy(_pair(names="x y")), _IMAGES, _LABELS),
    Layout(
        "folder with `images.npy`, `labels.npy`, floats 0..1, one-hot",
        _npy(_pair(_FLOATS, _ONE_HOT, "images labels")),
        _IMAGES,
        _LABELS,
    ),
    Layout(
        "folder with `X_train.npy`, `y_train.npy`, `X_test.npy`, ...",
        _npy({k.replace("x_", "X_"): v for k, v in _SPLIT.items()}),
        _IMAGES[_LAST],
        _LABELS[_LAST],
        use=Use.TEST,
    ),
    Layout("folder of class folders, PNG", _tree(_NAMES), _IMAGES, _LABELS),
    Layout("folder of class folders 0, 1, ..., BMP", _tree("0123", suffix="bmp"), _IMAGES, _LABELS),
    Layout("folder of class folders, grey PNG, model of one channel", _tree("0123", _GREY), _GREY, _LABELS),
    Layout("folder of class folders, RGB, model of one channel", _tree("0123"), _TO_GREY, _LABELS),
    Layout(
        "folder of class folders, grey, model of three channels", _tree("0123", _GREY), _GREY.repeat(3, -1), _LABELS
    ),
    Layout(
        "folder of `train`, `val`, `test`",
        _all(
            *(
                _tree(_NAMES, part=part, numbers=of)
                for part, of in (("train", slice(0, 8)), ("val", slice(8, 16)), ("test", _LAST))
            )
        ),
        _IMAGES[8:16],
        _LABELS[8:16],
    ),
    Layout(
        "folder of `train`, `test`",
        _all(*(_tree(_NAMES, part=part, numbers=of) for part, of in (("train", _FIRST), ("test", _LAST)))),
        _IMAGES[_LAST],
        _LABELS[_LAST],
        use=Use.TEST,
    ),
    Layout("folder of files `..._label=K.png` (CSAW's faces)", _named_with_labels, _IMAGES, _LABELS),
    Layout("Kaggle's GTSRB: `Train.csv`, `Test.csv`", _kaggle, _IMAGES[_FIRST], _LABELS[_FIRST]),
    Layout("the same", _kaggle, _CROPPED[_LAST], _LABELS[_LAST], ReadingOptions(crop_to_roi=True), Use.TEST),
    Layout("GTSRB's training folders with `GT-*.csv`", _gtsrb, _IMAGES, _LABELS),
    Layout("the same", _gtsrb, _CROPPED, _LABELS, ReadingOptions(crop_to_roi=True)),
    Layout(
        "GTSRB's test folder, `GT-final_test.csv`",
        _gtsrb_test,
        _CROPPED,
        _LABELS,
        ReadingOptions(crop_to_roi=True),
        Use.TEST,
    ),
    Layout("folder with `labels.csv`: file and class name", _table_of_names, _IMAGES, _LABELS),
    Layout("folder of pictures of two sizes", _of_two_sizes, _scaled(), _LABELS, ReadingOptions(resize=True)),
    Layout("folder of pictures that EXIF turns", _turned, _IMAGES, _LABELS, ReadingOptions(exif_orientation=True)),
    # What is refused.
    Layout("folder of pictures of two sizes", _of_two_sizes),
    Layout("floats that are all 0 or 1", _hdf5(_pair((_IMAGES > 99) * 1.0))),
    Layout("floats -1..1", _hdf5(_pair(_IMAGES / 127.5 - 1))),
    Layout("floats 0..1 that overshoot", _hdf5(_pair(_FLOATS * 1.1))),
    Layout("images with sides of 3", _hdf5(_pair(_IMAGES[:, :3]))),
    Layout("RGBA", _npz(_pair(np.concatenate([_IMAGES, _GREY], -1)))),
    Layout("flattened images, N x 360", _npz(_pair(_IMAGES.reshape(_COUNT, -1)))),
    Layout("labels that are scores", _npz(_pair(labels=_ONE_HOT * 0.9 + 0.025))),
    Layout("labels of -1", _npz(_pair(labels=_LABELS - 1))),
    Layout("fewer labels than images", _npz(_pair(labels=_LABELS[:-1]))),
    Layout("both `data` and `images`", _npz({**_pair(), "images": _IMAGES})),
    Layout("a whole and parts", _npz({**_pair(names="x y"), **_SPLIT})),
    Layout(
        "`train` and `val` alone",
        _npz({f"{p}_{k}": v for p in ("train", "val") for k, v in _pair(names="x y").items()}),
        use=Use.TEST,
    ),
    Layout("`x.npy` itself", _npy(_pair(names="x y"), "x.npy")),
    Layout("objects (pickles) in an npz", _npz(_pair(np.array([{}] * _COUNT, object)))),
    Layout("a pickle", _pickle),
    Layout("a table itself", lambda folder: _gtsrb_test(folder) + "/GT-final_test.csv"),
    Layout("`--crop_to_roi` without a table", _tree("0123"), options=ReadingOptions(crop_to_roi=True)),
)


def main(argv: Sequence[str]) -> None:
    """Prints the table."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    rows = [("layout", "flags", "what becomes of it")]
    rows += [(layout.name, layout.flags, outcome(layout).replace("|", "\\|")) for layout in LAYOUTS]
    print(markdown(rows))


if __name__ == "__main__":
    logging.set_verbosity(logging.WARNING)
    app.run(main)
