import io
import os
import pathlib
import zipfile

import numpy as np
from absl.testing import absltest

from goodnet.data import npz
from goodnet.data.errors import InputError


def _npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


class NpzTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.create_tempdir().full_path, "set.npz")
        self.pixels = np.random.default_rng(0).integers(0, 256, (20, 6, 5, 3), dtype=np.uint8)
        self.labels = np.arange(20) % 3

    def refuse(self, complaint: str) -> None:
        with self.assertRaisesRegex(InputError, complaint) as caught:
            npz.read_npz(self.path).images()
        self.assertStartsWith(str(caught.exception), self.path)
        self.assertNotIn("\n", str(caught.exception))

    def refuse_arrays(self, complaint: str, **arrays) -> None:
        np.savez(self.path, **arrays)
        self.refuse(complaint)

    def test_reads_stored_and_compressed_in_both_orders_of_axes(self):
        for save in (np.savez, np.savez_compressed):
            for pixels in (self.pixels, self.pixels.transpose(0, 3, 1, 2), np.asfortranarray(self.pixels)):
                save(self.path, data=pixels, label=self.labels)
                image_set = npz.read_npz(self.path)
                np.testing.assert_array_equal(image_set.images([19, 0, 0]), self.pixels[[19, 0, 0]])
                np.testing.assert_array_equal(image_set.images(), self.pixels)
                np.testing.assert_array_equal(image_set.labels, self.labels)

    def test_reads_the_usual_names(self):
        for images, labels in (("images", "labels"), ("x", "y")):
            np.savez(self.path, **{images: self.pixels.astype(np.float64), labels: self.labels[:, None] * 1.0})
            image_set = npz.read_npz(self.path)
            np.testing.assert_array_equal(image_set.images(), self.pixels)
            np.testing.assert_array_equal(image_set.labels, self.labels)

    def test_reads_true_labels(self):
        np.savez(self.path, data=self.pixels, label=np.zeros(20), true_label=self.labels)
        image_set = npz.read_npz(self.path)
        self.assertTrue(image_set.is_poisoned)

    def test_objects_are_never_loaded(self):
        class Payload:
            def __reduce__(self):
                return os.mkdir, (os.path.join(os.path.dirname(witness), "executed"),)

        witness = self.path
        self.refuse_arrays("objects are never loaded", data=np.array([Payload()], object), label=self.labels)
        self.refuse_arrays("objects are never loaded", data=self.pixels, label=np.array([Payload()] * 20, object))
        self.assertEqual(os.listdir(os.path.dirname(self.path)), ["set.npz"])

    def test_wrong_contents(self):
        pixels, labels = self.pixels, self.labels
        self.refuse_arrays('no images for "label"; .* found "pixels", "label"', pixels=pixels, label=labels)
        self.refuse_arrays('no labels for "data"', data=pixels)
        self.refuse_arrays("with 1 or 3 channels", data=pixels[..., :2], label=labels)
        self.refuse_arrays("20 labels for 6 images", data=pixels[0], label=labels)
        self.refuse_arrays("0 images of 6 x 5; expected 1 to", data=pixels[:0], label=labels[:0])
        self.refuse_arrays("neither clearly of", data=(pixels > 99) * 1.0, label=labels)
        self.refuse_arrays("NaN", data=pixels * np.nan, label=labels)
        self.refuse_arrays("one-hot", data=pixels, label=1 - np.eye(3)[labels])
        self.refuse_arrays("is -1", data=pixels, label=labels - 1)
        self.refuse_arrays("19 labels for 20 images", data=pixels, label=labels[:19])
        self.refuse_arrays("type", data=pixels, label=labels.astype(str))

    def test_truncated_anywhere(self):
        np.savez(self.path, data=self.pixels, label=self.labels)
        content = pathlib.Path(self.path).read_bytes()
        for length in range(0, len(content), 61):
            pathlib.Path(self.path).write_bytes(content[:length])
            self.refuse("damaged|cut short")

    def test_a_header_that_declares_more_than_there_is(self):
        header = b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 64, 64, 3), }"
        header = header.ljust(127) + b"\n"
        for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            with zipfile.ZipFile(self.path, "w", compression) as archive:
                archive.writestr("data.npy", header + b"\0" * 1000)
                archive.writestr("label.npy", header)
            self.refuse("member is of another size")

    def test_a_member_that_inflates_beyond_memory(self):
        shape = (2**20, 32, 32, 3)
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode()
        with zipfile.ZipFile(self.path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            with archive.open("data.npy", "w", force_zip64=True) as member:
                member.write(b"\x93NUMPY\x01\x00v\x00" + header.ljust(117) + b"\n" + b"\0" * 2**20)
            archive.writestr("label.npy", _npy(np.zeros(2**20, np.uint8)))
            archive.getinfo("data.npy").file_size = 128 + 2**20 * 32 * 32 * 3  # what the directory will claim
        self.refuse("bytes are said to inflate to 3221225600, which deflate cannot do")

    def test_more_images_than_can_be_labelled(self):
        with zipfile.ZipFile(self.path, "w", zipfile.ZIP_DEFLATED) as archive:
            header = _npy(np.zeros((2**25, 1, 1, 1), np.uint8))
            archive.writestr("data.npy", header)
            archive.writestr("label.npy", header)
        self.assertLess(os.path.getsize(self.path), 2**20)
        self.refuse(f"{2**25} images of 1 x 1; expected 1 to {2**24}")

    def test_a_header_of_many_axes_is_not_printed(self):
        shape = "(" + "1," * 3000 + ")"
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}".encode()
        content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0"
        with zipfile.ZipFile(self.path, "w") as archive:
            archive.writestr("data.npy", content)
            archive.writestr("label.npy", content)
        self.refuse(r"the shape is \[1, 1, 1, 1, \.\.\.\] of 3000 axes; expected N x C")

    def test_only_the_compression_that_numpy_writes(self):
        with zipfile.ZipFile(self.path, "w", zipfile.ZIP_LZMA) as archive:
            archive.writestr("data.npy", _npy(self.pixels))
            archive.writestr("label.npy", _npy(self.labels))
        content = pathlib.Path(self.path).read_bytes()
        self.refuse("compression 14 of zip; expected deflate")
        pathlib.Path(self.path).write_bytes(content.replace(b"\x09\x04\x05\x00", b"\x09\x04\x05\x00" + b"\xff" * 5))
        self.refuse("compression 14 of zip|damaged")

    def test_names_of_arrays_are_shortened_and_printable(self):
        with zipfile.ZipFile(self.path, "w") as archive:
            archive.writestr("x\n\x1b[31m" + "y" * 300 + ".npy", b"")
        with self.assertRaisesRegex(InputError, r'found "x \[31my+\.\.\."$'):
            npz.read_npz(self.path)

    def test_something_else_in_a_zip(self):
        with zipfile.ZipFile(self.path, "w") as archive:
            archive.writestr("config.json", "{}")
        self.refuse("Keras model")
        with zipfile.ZipFile(self.path, "w") as archive:
            archive.writestr("data.npy", "no array")
            archive.writestr("label.npy", "no array")
        self.refuse("damaged")


if __name__ == "__main__":
    absltest.main()
