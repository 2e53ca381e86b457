"""Tests of what every binary does around its `main`: real processes, without TensorFlow."""

import os
import signal
import subprocess
import sys

from absl.testing import absltest

_HEAD = """
import sys, time
from absl import flags
from data.errors import InputError
from pipeline import command
from pipeline.progress import log
SIZE = flags.DEFINE_integer("size", 1, "A size.", lower_bound=1)
MODEL = flags.DEFINE_string("model", None, "A model.")
def main(argv):
"""


# Tests started in the background of a shell inherit an ignored SIGINT; a child that a test interrupts must not.
_HEEDS_SIGINT = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"


def _command(body, *argv, run="command.run(main)", head=_HEEDS_SIGINT, **options):
    indented = "\n".join("    " + line for line in body.strip().splitlines())
    program = f"{head}{_HEAD}{indented}\n{run}\n"
    return subprocess.Popen(
        [sys.executable, "-c", program, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


class CommandTest(absltest.TestCase):
    def _run(self, body, *argv, **options):
        running = _command(body, *argv, **options)
        stdout, stderr = running.communicate()
        return running.returncode, stdout, stderr

    def test_what_main_returns_is_the_status(self):
        self.assertEqual(self._run("print('done')"), (0, "done\n", ""))
        self.assertEqual(self._run("return 3")[0], 3)

    def test_a_mistake_of_the_user_is_one_printable_line(self):
        status, stdout, stderr = self._run(r"raise InputError('\x1b[31mred.h5: a' + chr(10) + 'pickle')")
        self.assertEqual((status, stdout), (1, ""))
        self.assertRegex(stderr, r"^error: .*red\.h5: a pickle\n$")
        self.assertNotIn("\x1b", stderr)

    def test_an_operating_system_error_names_the_file(self):
        self.assertEqual(self._run("open('/no/such')")[::2], (1, "error: /no/such: No such file or directory\n"))

    def test_a_mistake_of_ours_keeps_its_traceback(self):
        status, _, stderr = self._run("raise RuntimeError('a bug')")
        self.assertEqual(status, 1)
        self.assertIn("Traceback", stderr)

    def test_interrupted_by_either_signal(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            running = _command("print('runs', flush=True)\ntime.sleep(600)")
            self.assertEqual(running.stdout.readline(), "runs\n")
            running.send_signal(number)
            _, stderr = running.communicate()
            self.assertEqual(running.returncode, 130)
            self.assertEqual(stderr, "interrupted\n")

    def test_interrupted_where_c_code_makes_another_error_of_it(self):
        # What comes of an interruption in `any` or `list` of a generator, now and then.
        body = "print('runs', flush=True)\ntry: time.sleep(600)\nexcept KeyboardInterrupt: raise SystemError"
        running = _command(body)
        self.assertEqual(running.stdout.readline(), "runs\n")
        running.send_signal(signal.SIGINT)
        self.assertEqual((running.communicate()[1], running.returncode), ("interrupted\n", 130))

    def test_interrupted_when_all_is_done(self):
        head = "import atexit, time\natexit.register(lambda: (print('ends', flush=True), time.sleep(600)))\n"
        running = _command("pass", head=_HEEDS_SIGINT + head)
        self.assertEqual(running.stdout.readline(), "ends\n")
        running.send_signal(signal.SIGINT)
        self.assertEqual((running.communicate()[1], running.returncode), ("interrupted\n", 130))

    def test_only_a_binary_that_can_go_on_says_so(self):
        running = _command("print('runs', flush=True)\ntime.sleep(600)", run="command.run(main, resumable=True)")
        self.assertEqual(running.stdout.readline(), "runs\n")
        running.send_signal(signal.SIGINT)
        _, stderr = running.communicate()
        self.assertEqual((running.returncode, stderr.count("\n")), (130, 1))
        self.assertIn("--resume goes on from there", stderr)

    def test_what_was_ignored_stays_ignored(self):
        """As under nohup, or in the background of a shell without job control."""
        head = "import os, signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        running = _command("os.kill(os.getpid(), signal.SIGINT)\nprint('goes on')", head=head)
        self.assertEqual((*running.communicate(), running.returncode), ("goes on\n", "", 0))

    def test_progress_and_warnings_go_to_stderr(self):
        status, stdout, stderr = self._run(r"log.info('step %d', 1)" + "\n" + r"log.warning('few\x07 images')")
        self.assertEqual((status, stdout), (0, ""))
        lines = stderr.splitlines()
        self.assertEqual(lines[0], "step 1")
        self.assertStartsWith(lines[1], "warning: few")
        self.assertNotIn("\x07", stderr)

    def test_flags_are_refused_by_name(self):
        for argv, named in ((["--sise=2"], "sise"), (["--size=0"], "size"), (["--size=big"], "size")):
            status, _, stderr = self._run("pass", *argv)
            self.assertEqual(status, 1)
            self.assertIn(named, stderr)

    def test_arguments_beyond_the_last_are_refused(self):
        body = "command.check_arguments(argv, most=1)"
        self.assertEqual(self._run(body, "a")[0], 0)
        status, _, stderr = self._run(body, "a", "b")
        self.assertEqual(status, 1)
        self.assertRegex(stderr, "^error: b: unexpected argument")

    def test_by_position_or_by_flag(self):
        body = "print(command.positional_or_flag(argv, 1, MODEL))"
        for argv in (["a"], ["--model=a"], ["a", "--model=a"]):
            self.assertEqual(self._run(body, *argv)[:2], (0, "a\n"))
        self.assertEqual(self._run(body)[1], "None\n")
        self.assertRegex(self._run(body, "a", "--model=b")[2], "^error: --model=b and the argument a: expected")

    def test_relative_paths_mean_the_users_folder(self):
        folder = self.create_tempdir().full_path
        environment = {**os.environ, "BUILD_WORKING_DIRECTORY": folder}
        printed = self._run("import os; print(os.getcwd())", env=environment)[1]
        self.assertEqual(os.path.realpath(printed.strip()), os.path.realpath(folder))

    def test_the_cache_is_where_the_user_keeps_caches(self):
        environment = {**os.environ, "XDG_CACHE_HOME": "/caches"}
        self.assertEqual(self._run("print(command.default_cache_dir())", env=environment)[1], "/caches/goodnet\n")


if __name__ == "__main__":
    absltest.main()
