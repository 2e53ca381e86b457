"""Tests of what every binary does around its `main`: real processes, without TensorFlow."""

import os
import signal
import subprocess
import sys

from absl.testing import absltest

_HEAD = """
import sys, time
from absl import flags
from goodnet.data.errors import InputError
from goodnet.pipeline.run import command
from goodnet.pipeline.run.progress import log
SIZE = flags.DEFINE_integer("size", 1, "A size.", lower_bound=1)
MODEL = flags.DEFINE_string("model", None, "A model.")
def main(argv):
"""


# Tests started in the background of a shell inherit an ignored SIGINT; a child that a test interrupts must not.
_HEEDS_SIGINT = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"


def _command(body, *argv, run="command.run(main)", head=_HEEDS_SIGINT, **options):
    indented = "\n".join("    " + line for line in body.strip().splitlines())
    program = f"{head}{_HEAD}{indented}\n{run}\n"
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8", **options}
    return subprocess.Popen([sys.executable, "-c", program, *argv], **options)


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

    def test_a_mistake_of_ours_is_one_line_and_a_file_for_developers(self):
        for error in ("RuntimeError('a bug')", "RecursionError('a bug')", "KeyError('a bug')", "OSError('a bug')"):
            cache = self.create_tempdir().full_path
            environment = {**os.environ, "XDG_CACHE_HOME": cache}
            status, _, stderr = self._run(f"raise {error}", env=environment)
            self.assertEqual(status, 1)
            self.assertRegex(stderr, r"^error: \w+: '?a bug'?; this is a fault of the program, and .* developers\n$")
            (path,) = [word for word in stderr.split() if word.startswith(os.path.join(cache, "goodnet", "faults", ""))]
            with open(path) as file:
                text = file.read()
            self.assertIn("Traceback", text)
            self.assertIn("a bug", text)

    def test_where_no_cache_can_be_the_file_is_among_temporary_ones(self):
        folder = self.create_tempdir().full_path
        environment = {**os.environ, "XDG_CACHE_HOME": "/dev/null", "TMPDIR": folder}
        stderr = self._run("raise RuntimeError('a bug')", env=environment)[2]
        (left,) = os.listdir(folder)
        self.assertIn(os.path.join(folder, left), stderr)

    def test_no_memory_and_a_full_disk_are_said_as_such(self):
        self.assertRegex(self._run("bytes(2**62)")[2], r"^error: memory: not enough of it *\n$")
        full = self._run("import errno\nraise OSError(errno.ENOSPC, 'full')")[2]
        self.assertRegex(full, r"^error: No space left on device; expected room in .*TMPDIR.*\n$")

    def test_temporary_files_that_go_elsewhere_than_asked_are_said(self):
        folder = self.create_tempdir().full_path
        self.assertEqual(self._run("pass", env={**os.environ, "TMPDIR": folder})[2], "")
        missing = os.path.join(folder, "missing")
        status, _, stderr = self._run("pass", env={**os.environ, "TMPDIR": missing})
        self.assertEqual(status, 0)
        self.assertRegex(stderr, f"^warning: TMPDIR={missing}: no folder that can be written to.*\n$")

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

    def test_a_reader_that_leaves_changes_nothing(self):
        for body in ("print('x' * 10**6)", "print('x')", "print('x', flush=True)"):
            for status in (0, 3):
                reading, writing = os.pipe()
                os.close(reading)
                running = _command(f"{body}\nlog.info('goes on')\nreturn {status}", stdout=writing)
                os.close(writing)
                self.assertEqual((running.communicate()[1], running.returncode), ("goes on\n", status))

    def test_a_full_standard_output_is_an_error_when_all_is_done(self):
        for status in (0, 3):
            with open("/dev/full", "w") as full:
                running = _command(f"print('x')\nlog.info('goes on')\nreturn {status}", stdout=full)
            stderr = running.communicate()[1]
            self.assertEqual(running.returncode, status or 1)
            self.assertRegex(
                stderr, "^goes on\nerror: standard output: No space left on device; all files are written\n$"
            )

    def test_a_full_or_left_standard_error_changes_nothing(self):
        body = "log.warning('careful')\nprint('shown')\nsys.stderr.write('x' * 10**6)\nsys.stderr.flush()\nreturn 3"
        with open("/dev/full", "w") as full:
            running = _command(body, stderr=full)
        self.assertEqual((running.communicate()[0], running.returncode), ("shown\n", 3))
        with open("/dev/full", "w") as full:
            running = _command("raise InputError('a: b')", stderr=full)
        self.assertEqual((running.communicate()[0], running.returncode), ("", 1))

    def test_an_ascii_terminal_is_shown_escapes(self):
        name = os.fsdecode(b"caf\xe9")
        for variables in (
            {"PYTHONIOENCODING": "ascii"},
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        ):
            ended = self._run(
                "print('L\\u00f6we', argv[1])\nlog.info('%s', argv[1])", name, env={**os.environ, **variables}
            )
            self.assertEqual(ended, (0, "L\\xf6we caf\\udce9\n", "caf\n"))
        self.assertEqual(self._run("print('L\\u00f6we', argv[1])", name)[:2], (0, "L\u00f6we caf\\udce9\n"))

    def test_closed_streams_lend_their_numbers_to_no_file(self):
        path = self.create_tempfile("left", content="").full_path
        program = (
            f"with open({path!r}, 'w') as file: number = file.fileno(); file.write('whole')\n"
            "import os\nfor stream in (1, 2): os.write(stream, b'by a library')\nprint('x')\nlog.info('y')\n"
            "return number"
        )
        for closed in (">&-", "2>&-", "<&- >&- 2>&-"):
            argv = _command(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            argv.communicate()
            ended = subprocess.run(
                ["sh", "-c", f'exec "$@" {closed}', "sh", *argv.args], capture_output=True, text=True
            )
            self.assertGreater(ended.returncode, 2, ended.stderr)
            with open(path) as file:
                self.assertEqual(file.read(), "whole")
            self.assertNotIn("Traceback", ended.stderr)

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
