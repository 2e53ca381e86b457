import os
import pathlib
import resource
import signal
import subprocess
import sys
from unittest import mock

from absl.testing import absltest

from goodnet.data import reading_process

_HEAD = """
import itertools, os, sys
from goodnet.data.reading_process import end_this_process_after, restrict_this_process
restrict_this_process(most_file_bytes=1000)
end_this_process_after(float(sys.argv[1]))
print("begins", flush=True)
"""
# Inside one call of a function written in C, where Python handles no signals.
_LOOP = "sum(itertools.repeat(0))"


class ReadingProcessTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.enter_context(mock.patch.object(sys, "path", [*sys.path, str(self.folder)]))

    def run_program(self, body: str, seconds: float = 60) -> tuple[int, str]:
        """Runs a module of that text; (status, what it wrote)."""
        (self.folder / "reading_something.py").write_text(_HEAD + body)
        process = reading_process.start(
            "reading_something", str(seconds), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        written, _ = process.communicate()
        return process.returncode, written.decode()

    def test_a_loop_in_c_ends_when_its_time_is_over(self):
        status, _ = self.run_program(_LOOP, seconds=0.5)
        self.assertEqual(status, -signal.SIGPROF)
        self.assertEqual(reading_process.how_it_ended(status, 0.5), "reading it takes longer than 0 s")

    def test_time_is_the_processors_and_twenty_times_as_long_by_the_clock(self):
        waits = "import time; time.sleep(2); print('done')"
        self.assertEqual(self.run_program(waits, seconds=1), (0, "begins\ndone\n"))
        self.assertEqual(self.run_program(waits, seconds=0.05)[0], -signal.SIGALRM)

    def test_limits_that_the_shell_has_set_lower_stay(self):
        body = "import resource; print(resource.getrlimit(resource.RLIMIT_FSIZE))"
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
        try:
            self.assertEqual(self.run_program(body), (0, "begins\n(500, 500)\n"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    def test_it_ends_with_the_one_that_started_it(self):
        body = "from goodnet.data.reading_process import end_with_parent; end_with_parent()\n"
        body += "print(os.getpid(), flush=True)\n"
        (self.folder / "reading_something.py").write_text(_HEAD + body + "import time; time.sleep(600)")
        program = (
            'import time; from goodnet.data import reading_process; reading_process.start("reading_something", "600"); '
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
        with subprocess.Popen(
            [sys.executable, "-c", program + "time.sleep(600)"], stdout=subprocess.PIPE, text=True, env=environment
        ) as starter:
            self.assertEqual(starter.stdout.readline(), "begins\n")
            starter.stdout.readline()
            starter.kill()
            # The process holds the other end of the pipe.
            self.assertEqual(starter.stdout.read(), "")

    def test_it_ends_though_whoever_started_it_was_killed(self):
        (self.folder / "reading_something.py").write_text(_HEAD + "print(os.getpid(), flush=True)\n" + _LOOP)
        program = (
            'import time; from goodnet.data import reading_process; reading_process.start("reading_something", "3"); '
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
        with subprocess.Popen(
            [sys.executable, "-c", program + "time.sleep(600)"], stdout=subprocess.PIPE, text=True, env=environment
        ) as starter:
            self.assertEqual(starter.stdout.readline(), "begins\n")
            pid = int(starter.stdout.readline())
            starter.kill()
            starter.wait()
            self.assertTrue(os.path.exists(f"/proc/{pid}"))
            # The loop holds the other end of the pipe: it is empty when the loop is gone.
            self.assertEqual(starter.stdout.read(), "")

    def test_memory_is_bounded(self):
        status, written = self.run_program("bytearray(2**31)")
        self.assertEqual(status, 1)
        self.assertIn("MemoryError", written)

    def test_files_are_bounded(self):
        out = str(self.folder / "out")
        status, written = self.run_program(f"with open({out!r}, 'wb', 0) as f: f.write(bytes(5000)); f.write(b'x')")
        self.assertEqual(status, 1)
        self.assertIn("File too large", written)
        self.assertLessEqual((self.folder / "out").stat().st_size, 1000)

    def test_a_crash_is_named(self):
        status, _ = self.run_program("os.kill(os.getpid(), 11)")
        self.assertEqual(reading_process.how_it_ended(status, 1), "the HDF5 library crashed on it, signal 11")

    def test_modules_of_the_working_folder_are_not_imported(self):
        bait = self.folder / "bait"
        bait.mkdir()
        (bait / "h5py.py").write_text("print('bait')")
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        paths = [path or before for path in sys.path]
        os.chdir(bait)
        with mock.patch.object(sys, "path", paths):
            status, written = self.run_program("import h5py")
        self.assertEqual((status, written), (0, "begins\n"))

    def test_interrupting_the_one_that_reads_along_is_left_to_the_other(self):
        self.assertEqual(self.run_program("os.kill(os.getpid(), 2)\nprint('goes on')"), (0, "begins\ngoes on\n"))

    def test_filters_come_from_no_search_path(self):
        self.assertEqual(self.run_program("print(os.environ['HDF5_PLUGIN_PRELOAD'])"), (0, "begins\n::\n"))

    def test_large_files_have_more_time(self):
        self.assertLess(reading_process.seconds_for(2**20), 8)
        self.assertGreater(reading_process.seconds_for(2**32), 200)

    def test_signals(self):
        self.assertEqual(reading_process.how_it_ended(-signal.SIGKILL, 1), "the HDF5 library crashed on it, signal 9")
        self.assertEqual(reading_process.how_it_ended(70, 1), "reading it ended with status 70")


if __name__ == "__main__":
    absltest.main()
