import gc
import os
import pathlib
import pickle
import resource
import signal
import zlib
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
from absl.testing import absltest

from goodnet.data import hdf5
from goodnet.data import image_set as image_sets
from goodnet.data.errors import InputError
from goodnet.data.use import Use


def _inflating(size: int) -> bytes:
    """A deflate stream of a thousandth of `size`, made of one piece that is repeated."""
    packing = zlib.compressobj(9)
    first = packing.compress(bytes(2**20)) + packing.flush(zlib.Z_FULL_FLUSH)
    again = packing.compress(bytes(2**20)) + packing.flush(zlib.Z_FULL_FLUSH)
    return first + again * (size // 2**20) + packing.flush()


def _pixels(count: int = 50, shape: tuple[int, int, int] = (7, 5, 3)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


class Hdf5Test(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path
        self.path = os.path.join(self.folder, "set.h5")
        self.pixels = _pixels()
        self.labels = np.arange(50) % 4

    def write(self, data: np.ndarray, label: Any = None, **options) -> str:
        pathlib.Path(self.path).unlink(missing_ok=True)  # an image set may still hold the old file open
        with h5py.File(self.path, "w") as file:
            file.create_dataset("data", data=data, **options)
            file["label"] = self.labels if label is None else label
        return self.path

    def refuse(self, complaint: str, make: Callable[[h5py.File], None] | None = None) -> None:
        """Asserts that the file is refused in one line that names it; `make` fills it."""
        if make is not None:
            with h5py.File(self.path, "w") as file:
                make(file)
        with self.assertRaisesRegex(InputError, complaint) as caught:
            hdf5.read_hdf5(self.path).images()
        self.assertStartsWith(str(caught.exception), self.path)
        self.assertNotIn("\n", str(caught.exception))

    def refuse_data(self, complaint: str, **options) -> None:
        def make(file: h5py.File) -> None:
            file.create_dataset("data", **options)
            file["label"] = self.labels

        self.refuse(complaint, make)


class ReadingTest(Hdf5Test):
    def test_reads_both_orders_of_axes(self):
        for data in (self.pixels.transpose(0, 3, 1, 2), self.pixels):
            image_set = hdf5.read_hdf5(self.write(data))
            self.assertEqual(image_set.image_shape, (7, 5, 3))
            np.testing.assert_array_equal(image_set.images(), self.pixels)
            np.testing.assert_array_equal(image_set.labels, self.labels)

    def test_an_ambiguous_shape_is_refused(self):
        self.write(_pixels(50, (3, 5, 3)))
        self.refuse("both its second and its last axis could be channels")

    def test_reads_grey_images(self):
        for pixels in (self.pixels[..., :1], self.pixels[..., 0]):
            image_set = hdf5.read_hdf5(self.write(pixels))
            self.assertEqual(image_set.image_shape, (7, 5, 1))
            np.testing.assert_array_equal(image_set.images([3, 1]), self.pixels[[3, 1], ..., :1])

    def test_reads_labels_of_any_form(self):
        one_hot = np.eye(4)[self.labels]
        for labels in (self.labels[None], self.labels[:, None], one_hot, one_hot > 0, one_hot.astype(np.uint8)):
            np.testing.assert_array_equal(hdf5.read_hdf5(self.write(self.pixels, labels)).labels, self.labels)

    def test_reads_floats_from_0_to_1(self):
        for dtype in (np.float64, np.float32, np.float16):
            with self.assertLogs("goodnet", "INFO") as logs:
                image_set = hdf5.read_hdf5(self.write((self.pixels / 255).astype(dtype)))
            self.assertIn("floats from 0 to 1, taken times 255", logs.output[0])
            np.testing.assert_array_equal(image_set.images(), self.pixels)

    def test_reads_the_part_that_is_made_for_the_use(self):
        with h5py.File(self.path, "w") as file:
            for part, first in (("train", 0), ("test", 25)):
                file[f"X_{part}"] = self.pixels[first : first + 25]
                file[f"Y_{part}"] = np.eye(4)[self.labels[first : first + 25]]
        for use, first in ((Use.CLEAN, 0), (Use.TRAINING, 0), (Use.TEST, 25), (Use.POISONED, 25)):
            with self.assertLogs("goodnet", "INFO") as logs:
                image_set = hdf5.read_hdf5(self.path, use)
            self.assertIn(f"--{use.flag} takes {'train' if first == 0 else 'test'}, and leaves", logs.output[0])
            np.testing.assert_array_equal(image_set.images(), self.pixels[first : first + 25])
            np.testing.assert_array_equal(image_set.labels, self.labels[first : first + 25])

    def test_reads_any_order_with_repeats_from_any_storage(self):
        indices = np.random.default_rng(1).integers(0, 50, 80)
        for options in (
            {},
            {"chunks": (3, 7, 5, 3), "compression": "gzip"},
            {"chunks": (50, 7, 5, 1), "shuffle": True},
        ):
            image_set = hdf5.read_hdf5(self.write(self.pixels, **options))
            np.testing.assert_array_equal(image_set.images(indices), self.pixels[indices])
            np.testing.assert_array_equal(image_set.images([49, 0]), self.pixels[[49, 0]])
            self.assertEqual(image_set.images([]).shape, (0, 7, 5, 3))

    def test_reads_only_what_is_asked_for(self):
        """A set whose images take 5 GB (zeros, which compress well) opens and reads."""
        with h5py.File(self.path, "w") as file:
            shape, chunks = (4096, 3, 640, 640), (32, 3, 640, 640)
            data = file.create_dataset("data", shape, np.uint8, chunks=chunks, compression="gzip")
            data[:32] = 0
            zeros = data.id.read_direct_chunk((0, 0, 0, 0))[1]
            for start in range(32, 4096, 32):
                data.id.write_direct_chunk((start, 0, 0, 0), zeros)
            file["label"] = np.zeros(4096, np.int64)
        image_set = hdf5.read_hdf5(self.path)
        self.assertLen(image_set, 4096)
        self.assertEqual(image_set.images([0, 4000]).max(), 0)

    def test_reads_floats_and_wide_integers_rounded(self):
        for dtype in (np.float64, np.float32, np.float16, np.int64, ">u2", ">f4"):
            image_set = hdf5.read_hdf5(self.write(self.pixels.astype(dtype), self.labels.astype(np.float32)[:, None]))
            np.testing.assert_array_equal(image_set.images(), self.pixels)
            np.testing.assert_array_equal(image_set.labels, self.labels)
        image_set = hdf5.read_hdf5(self.write(np.clip(self.pixels + 0.4, 0, 255.4)))
        np.testing.assert_array_equal(image_set.images(), self.pixels)

    def test_survives_pickling_after_a_read(self):
        image_set = hdf5.read_hdf5(self.write(self.pixels))
        image_set.images([0])
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(image_set)).images([3]), self.pixels[[3]])

    def test_reads_gtsrb(self):
        shared = os.environ.get("SHARED_DATA")
        if not shared:
            return self.skipTest("SHARED_DATA does not name the folder with GTSRB in the CSAW layout")
        image_set = hdf5.read_hdf5(os.path.join(shared, "gtsrb", "clean_validation.h5"))
        self.assertLen(image_set, 2088)
        self.assertEqual(image_set.image_shape, (32, 32, 3))
        self.assertLen(np.unique(image_set.labels), 43)
        with h5py.File(image_set.name) as file:
            stored = file["data"][()].transpose(0, 2, 3, 1)
        order = np.random.default_rng(0).permutation(2088)
        for batch, (images, labels) in enumerate(image_set.batches(100, order)):
            chosen = order[batch * 100 : (batch + 1) * 100]
            np.testing.assert_array_equal(images, stored[chosen])
            np.testing.assert_array_equal(labels, image_set.labels[chosen])


class HostileFileTest(Hdf5Test):
    def test_missing_or_wrong_datasets(self):
        self.refuse("no such file")
        self.refuse('no labels for "data"', lambda file: file.create_dataset("data", data=self.pixels))
        self.refuse('no images for "label"', lambda file: file.create_dataset("label", data=self.labels))
        self.refuse("found nothing", lambda file: None)
        self.refuse("Keras model", lambda file: file.create_group("model_weights"))
        self.refuse(r'found "y{57}\.\.\."', lambda file: file.create_group("y" * 3000))
        self.refuse(r'found "\[31mred"', lambda file: file.create_group("\x1b[31mred"))

        def group(file: h5py.File) -> None:
            file.create_group("data")
            file["label"] = self.labels

        self.refuse("group", group)

    def test_wrong_shapes(self):
        self.refuse_data("50 labels for 7 images", data=self.pixels[0])
        self.refuse_data(r"shape is \[50, 105\]; expected N x C x H x W", data=self.pixels.reshape(50, -1))
        self.refuse_data("with 1 or 3 channels", data=self.pixels[..., :2])
        self.refuse_data("images of 9000", data=np.zeros((50, 3, 9000, 2), np.uint8))
        self.refuse_data("0 images", shape=(0, 3, 7, 5), dtype=np.uint8)
        self.refuse_data("empty dataset", data=h5py.Empty(np.uint8))
        self.refuse_data("50 labels for 49 images", data=self.pixels[:49])

    def test_wrong_types(self):
        self.refuse_data("type", data=self.pixels.astype(bool))
        self.refuse_data("type", data=self.pixels.astype(np.complex64))
        self.refuse_data("type", data=np.full((50, 3, 7, 5), b"x"))
        self.refuse_data("object|type", shape=(50, 3, 7, 5), dtype=h5py.vlen_dtype(np.uint8))
        self.refuse_data("object|type", shape=(50, 3, 7, 5), dtype=h5py.ref_dtype)
        self.refuse_data("type", data=np.zeros((50, 3, 7, 5), [("r", "u1"), ("g", "u1")]))

    def test_wrong_scale(self):
        self.refuse_data("neither clearly of 0..1 nor of 0..255", data=(self.pixels > 99) * 1.0)
        self.refuse_data("neither clearly of 0..1 nor of 0..255", data=self.pixels / 200.0)
        self.refuse_data("neither clearly of 0..1 nor of 0..255", data=self.pixels / 255 - 0.1)
        self.refuse_data("pixels from -1", data=self.pixels / 127.5 - 1)
        self.refuse_data("NaN", data=np.where(self.pixels == 7, np.nan, self.pixels))
        self.refuse_data("NaN or infinite", data=np.where(self.pixels == 7, np.inf, self.pixels))
        self.refuse_data("pixels from 0 to 510", data=self.pixels.astype(np.uint16) * 2)

    def test_wrong_labels(self):
        for labels, complaint in (
            (np.eye(4)[self.labels] * 0.9, "one-hot.*number 0 are not"),
            (np.ones((50, 4)), "one-hot"),
            (np.zeros((4, 50)), "4 labels for 50 images"),
            (self.labels - 1, "is -1"),
            (self.labels + 0.25, "0.25"),
            (np.full(50, np.nan), "nan"),
            (np.full(50, 2**63, np.uint64), "9223372036854775808"),
            (self.labels.astype("S4"), "type"),
            (self.labels > 0, "type"),
            (self.labels[:3], "3 labels for 50 images"),
            (np.int64(3), "shape"),
        ):
            self.write(self.pixels, labels)
            self.refuse(complaint)

    def test_links_out_of_the_file(self):
        other = os.path.join(self.folder, "other.h5")
        with h5py.File(other, "w") as file:
            file["data"] = self.pixels

        def link(to: h5py.SoftLink | h5py.ExternalLink) -> Callable[[h5py.File], None]:
            def make(file: h5py.File) -> None:
                file["stored"] = self.pixels
                file["label"] = self.labels
                file["data"] = to

            return make

        self.refuse("link", link(h5py.ExternalLink(other, "data")))
        self.refuse("link", link(h5py.SoftLink("/stored")))
        self.refuse("link", link(h5py.SoftLink("/data")))  # a loop
        self.refuse("link", link(h5py.SoftLink("/nowhere")))

    def test_values_outside_of_the_file(self):
        raw = os.path.join(self.folder, "raw")
        pathlib.Path(raw).write_bytes(self.pixels.tobytes())
        self.refuse_data(
            "another file", shape=self.pixels.shape, dtype=np.uint8, external=[(raw, 0, self.pixels.nbytes)]
        )

        def virtual(file: h5py.File) -> None:
            layout = h5py.VirtualLayout(self.pixels.shape, np.uint8)
            layout[:] = h5py.VirtualSource(os.path.join(self.folder, "other.h5"), "data", self.pixels.shape)
            file.create_virtual_dataset("data", layout)
            file["label"] = self.labels

        self.refuse("virtual", virtual)

    def test_declared_but_never_written(self):
        self.refuse_data("incomplete, 0 of", shape=(50, 3, 2000, 2000), dtype=np.uint8)
        self.refuse_data("incomplete, 0 of", shape=(10**8, 3, 100, 100), dtype=np.uint8, chunks=(1, 3, 100, 100))
        self.refuse_data("chunks", shape=(10**6, 3, 1000, 1000), dtype=np.uint8, chunks=(1000, 3, 1000, 1000))
        self.refuse_data("incomplete", shape=(1, 3, 10**6, 10**6), dtype=np.uint8, chunks=(1, 1, 10, 10))

    def test_filters_that_hdf5_and_h5py_do_not_bring_along(self):
        for code in (305, 307, 32001, 32004, 32008, 32015, 65535):

            def make(file: h5py.File, code: int = code) -> None:
                properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                properties.set_chunk((50, 7, 5, 3))
                properties.set_filter(code, h5py.h5z.FLAG_OPTIONAL)
                space = h5py.h5s.create_simple(self.pixels.shape)
                dataset = h5py.h5d.create(file.id, b"data", h5py.h5t.NATIVE_UINT8, space, properties)
                dataset.write_direct_chunk((0, 0, 0, 0), self.pixels.tobytes(), filter_mask=1)
                file["label"] = self.labels

            self.refuse(r"filter \d+; expected gzip, LZF or no compression", make)

    def test_links_and_storage_elsewhere_for_labels_and_side_data(self):
        with h5py.File(os.path.join(self.folder, "other.h5"), "w") as file:
            file["label"] = self.labels
        pathlib.Path(self.folder, "raw").write_bytes(bytes(4000))

        def external(file: h5py.File, name: str) -> None:
            file[name] = h5py.ExternalLink("other.h5", "label")

        def soft(file: h5py.File, name: str) -> None:
            file[name] = h5py.SoftLink(f"/{name}")

        def stored(file: h5py.File, name: str) -> None:
            file.create_dataset(name, (50,), np.int64, external=[("raw", 0, 400)])

        def virtual(file: h5py.File, name: str) -> None:
            layout = h5py.VirtualLayout((50,), np.int64)
            layout[:] = h5py.VirtualSource("other.h5", "label", (50,))
            file.create_virtual_dataset(name, layout)

        for name in ("label", "true_label", "landmarks", "class_names"):
            for put, complaint in (
                (external, "a link to elsewhere"),
                (soft, "a link to elsewhere"),
                (stored, "stored in another file"),
                (virtual, "a virtual dataset"),
            ):
                with h5py.File(self.write(self.pixels), "a") as file:
                    if name in file:
                        del file[name]
                    put(file, name)
                with self.subTest(f"{name}, {complaint}"):
                    self.refuse(complaint)

    def test_a_group_that_holds_itself(self):
        def make(file: h5py.File) -> None:
            file["data"] = file["/"]
            file["label"] = self.labels

        self.refuse(": a group;", make)

    def test_a_chunk_that_inflates_beyond_memory(self):
        """Three megabytes become three gigabytes, whatever the chunk's shape says."""

        def make(file: h5py.File) -> None:
            data = file.create_dataset("data", self.pixels.shape, np.uint8, chunks=(50, 7, 5, 3), compression="gzip")
            data.id.write_direct_chunk((0, 0, 0, 0), _inflating(3 * 2**30))
            file["label"] = self.labels

        self.refuse("damaged", make)
        self.assertLess(1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, 2**31)

    def test_labels_by_the_gigabyte_are_not_read(self):
        def make(file: h5py.File) -> None:
            count = 2**25
            for name, chunk in (("data", bytes(2**22)), ("label", bytes(2**22))):
                kind = np.uint8 if name == "data" else np.int64
                length = 2**22 // np.dtype(kind).itemsize
                shape = (count, 1, 1, 1) if name == "data" else (count,)
                dataset = file.create_dataset(
                    name, shape, kind, chunks=(length, *shape[1:]), compression="gzip", track_times=False
                )
                packed = zlib.compress(chunk)
                for start in range(0, count, length):
                    dataset.id.write_direct_chunk((start, *[0] * (len(shape) - 1)), packed)

        self.refuse("33554432 images", make)

    def test_a_reading_process_that_is_gone(self):
        image_set = hdf5.read_hdf5(self.write(self.pixels))
        os.kill(image_set.source._array._reader._process.pid, signal.SIGSEGV)
        with self.assertRaisesRegex(InputError, "set.h5: damaged .*the HDF5 library crashed on it, signal 11"):
            image_set.images([0])

    def test_reading_processes_end_with_their_sets(self):
        image_set = hdf5.read_hdf5(self.write(self.pixels))
        pid = image_set.source._array._reader._process.pid
        self.assertTrue(os.path.exists(f"/proc/{pid}"))
        del image_set
        gc.collect()
        self.assertFalse(os.path.exists(f"/proc/{pid}"))

    def test_truncated_anywhere(self):
        content = pathlib.Path(self.write(self.pixels, chunks=(10, 7, 5, 3), compression="gzip")).read_bytes()
        for length in range(0, len(content), len(content) // 20):
            pathlib.Path(self.path).write_bytes(content[:length])
            self.refuse("damaged|no dataset")

    def test_damaged_pixels(self):
        content = bytearray(
            pathlib.Path(self.write(np.zeros_like(self.pixels), chunks=(50, 7, 5, 3), compression="gzip")).read_bytes()
        )
        with h5py.File(self.path) as file:
            where = file["data"].id.get_chunk_info(0)
        content[where.byte_offset : where.byte_offset + where.size] = b"\xff" * where.size
        pathlib.Path(self.path).write_bytes(content)
        self.refuse("damaged")

    def test_class_names_and_landmarks_that_do_not_fit(self):
        for name, value, complaint in (
            ("class_names", np.array([b"a", b"b"]), "2 class names, but labels go up to 3"),
            ("class_names", self.labels, "expected one text for each class"),
            ("landmarks", np.zeros((50, 3)), "expected floats of shape"),
            ("landmarks", np.zeros((49, 3, 2)), "expected floats of shape"),
            ("landmarks", np.full((50, 3, 2), np.nan), "landmarks"),
            ("true_label", self.labels[:7], "7 labels for 50 images"),
        ):
            with h5py.File(self.write(self.pixels), "a") as file:
                file[name] = value
            self.refuse(complaint)

    def test_class_names_of_variable_length_are_left_alone(self):
        with h5py.File(self.write(self.pixels), "a") as file:
            file["class_names"] = ["a", "b", "c", "d"]
        with self.assertLogs(level="WARNING"):
            self.assertIsNone(hdf5.read_hdf5(self.path).class_names)


class WritingTest(Hdf5Test):
    def test_writes_csaw_layout_and_everything_else(self):
        landmarks = np.random.default_rng(1).uniform(0, 5, (50, 12, 2)).astype(np.float32)
        written = image_sets.from_arrays(
            "fifty",
            self.pixels,
            self.labels,
            ["straße", "b", "", "d"],
            true_labels=3 - self.labels,
            landmarks=landmarks,
        )
        hdf5.write_hdf5(self.path, written)
        with h5py.File(self.path) as file:
            self.assertEqual(file["data"].shape, (50, 3, 7, 5))
            self.assertEqual(file["data"].dtype, np.uint8)
            self.assertEqual(file["label"].shape, (50,))
        read = hdf5.read_hdf5(self.path)
        np.testing.assert_array_equal(read.images(), self.pixels)
        np.testing.assert_array_equal(read.labels, written.labels)
        assert read.true_labels is not None and read.landmarks is not None and written.true_labels is not None
        np.testing.assert_array_equal(read.true_labels, written.true_labels)
        np.testing.assert_array_equal(read.landmarks, landmarks)
        self.assertEqual(read.class_names, written.class_names)

    def test_writes_more_than_a_batch_and_a_subset(self):
        pixels = _pixels(300)
        whole = image_sets.from_arrays("many", pixels, np.arange(300))
        hdf5.write_hdf5(self.path, whole.subset(np.arange(299, -1, -1)))
        np.testing.assert_array_equal(hdf5.read_hdf5(self.path).images(), pixels[::-1])

    def test_the_same_set_gives_the_same_bytes(self):
        image_set = image_sets.from_arrays("fifty", self.pixels, self.labels, ["a", "b", "c", "d"])
        hdf5.write_hdf5(self.path, image_set)
        first = pathlib.Path(self.path).read_bytes()
        hdf5.write_hdf5(self.path, image_set)
        self.assertEqual(pathlib.Path(self.path).read_bytes(), first)
        self.assertEqual(os.listdir(self.folder), ["set.h5"])

    def test_may_replace_the_file_it_reads_from(self):
        image_set = hdf5.read_hdf5(self.write(self.pixels))
        hdf5.write_hdf5(self.path, image_set.subset([3, 1]))
        np.testing.assert_array_equal(hdf5.read_hdf5(self.path).images(), self.pixels[[3, 1]])

    def test_a_failed_write_leaves_what_was_there(self):
        class Failing(image_sets.ArraySource):
            def read(self, indices):
                if indices.max() > 100:
                    raise InputError("source: gone")
                return super().read(indices)

        broken = image_sets.ImageSet("broken", Failing(_pixels(200)), np.zeros(200))
        pathlib.Path(self.path).write_bytes(b"old")
        with self.assertRaisesRegex(InputError, "source: gone"):
            hdf5.write_hdf5(self.path, broken)
        self.assertEqual(pathlib.Path(self.path).read_bytes(), b"old")
        self.assertEqual(os.listdir(self.folder), ["set.h5"])

    def test_where_nothing_can_be_written(self):
        image_set = image_sets.from_arrays("fifty", self.pixels, self.labels)
        for path in (os.path.join(self.folder, "no", "set.h5"), "/dev/null/set.h5", self.folder):
            with self.assertRaisesRegex(InputError, "cannot be written") as caught:
                hdf5.write_hdf5(path, image_set)
            self.assertStartsWith(str(caught.exception), path)
            self.assertNotIn("\n", str(caught.exception))
        self.assertEmpty([name for name in os.listdir(os.path.dirname(self.folder)) if name.endswith(".partial")])


if __name__ == "__main__":
    absltest.main()
