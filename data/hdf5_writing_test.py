import errno
import os
import resource
import subprocess
import sys

import h5py
import numpy as np
from absl.testing import absltest

from goodnet.data.hdf5_writing import new_hdf5_file

# Writes a file with many groups, attributes and chunks where files may only have so many bytes: errno or "whole".
_FILL = """
import resource, sys
import numpy as np
from goodnet.data.hdf5_writing import new_hdf5_file
path, most = sys.argv[1], int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
try:
    with new_hdf5_file(path) as file:
        for number in range(40):
            group = file.create_group(f"group_{number}")
            group.attrs["names"] = np.array([b"x" * 50] * 8)
            group.create_dataset("values", data=np.arange(3000.0) + number, chunks=(100,), compression="gzip")
    print("whole")
except OSError as error:
    print(error.errno)
"""


class WritingTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.create_tempdir().full_path, "file.h5")

    def test_what_is_written_can_be_read(self):
        values = np.random.default_rng(0).random((100, 30))
        with new_hdf5_file(self.path) as file:
            file.create_dataset("values", data=values, chunks=(10, 10), compression="gzip")
            file["more"] = file["values"][:3]
            file.attrs["name"] = "text"
        with h5py.File(self.path) as file:
            np.testing.assert_array_equal(file["values"][()], values)
            np.testing.assert_array_equal(file["more"][()], values[:3])
            self.assertEqual(file.attrs["name"], "text")

    def test_the_same_contents_are_the_same_bytes(self):
        contents = []
        for _ in range(2):
            with new_hdf5_file(self.path) as file:
                file["values"] = np.arange(5)
            with open(self.path, "rb") as written:
                contents.append(written.read())
            os.unlink(self.path)
        self.assertEqual(*contents)

    def test_a_disk_that_refuses_at_any_byte_is_an_error_and_no_crash(self):
        whole = self._fill(resource.RLIM_INFINITY)
        self.assertEqual(whole, ("whole\n", "", 0))
        size = os.path.getsize(self.path)
        for most in (0, 1, 100, 2048, *np.linspace(3000, size - 1, 12).astype(int)):
            os.unlink(self.path)
            with self.subTest(most):
                self.assertEqual(self._fill(most), (f"{errno.EFBIG}\n", "", 0))

    def _fill(self, most):
        ended = subprocess.run(
            [sys.executable, "-c", _FILL, self.path, str(most)], capture_output=True, text=True, check=False
        )
        return ended.stdout, ended.stderr, ended.returncode

    def test_other_errors_pass_through(self):
        with self.assertRaisesRegex(ValueError, "mine"), new_hdf5_file(self.path):
            raise ValueError("mine")
        with self.assertRaises(FileExistsError), new_hdf5_file(self.path):
            pass
        with self.assertRaises(FileNotFoundError), new_hdf5_file(self.path[:-3] + "/nowhere"):
            self.fail("it was opened")


if __name__ == "__main__":
    absltest.main()
