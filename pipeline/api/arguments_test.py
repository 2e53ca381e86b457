"""Tests of messages for a caller in Python."""

import contextlib
import io
import logging

from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.pipeline.api.arguments import in_arguments, speaking_of_arguments
from goodnet.pipeline.run.progress import log


class ArgumentsTest(absltest.TestCase):
    def test_flags_become_arguments(self):
        for message, expected in (
            ("--max_shift=9: too much", "max_shift=9: too much"),
            ("--clean_data: too few", "images: too few"),
            ("x: wrong (--allow_chance goes on), or --mean, --std", "x: wrong (allow_chance goes on), or mean, std"),
            ("--class_names=FILE gives the names; --target=LABEL_OR_NAME", "class_names gives the names; target"),
            ("--out_dir=/a/--seed=3/b--std: full", "out_dir=/a/--seed=3/b--std: full"),
            ("a -- b, --x-y", "a -- b, --x-y"),
        ):
            self.assertEqual(in_arguments(message), expected)

    def test_errors_and_log_lines(self):
        refused = self.assertRaisesRegex(InputError, "^strip: off$")
        with self.assertLogs("goodnet") as logged, refused as raised, speaking_of_arguments():
            log.warning("%s: --strip", "a")
            raise InputError("--strip: off")
        self.assertEqual(logged.records[0].getMessage(), "a: strip")
        self.assertTrue(raised.exception.__suppress_context__)
        with self.assertLogs("goodnet") as logged:
            log.warning("--strip")
        self.assertEqual(logged.records[0].getMessage(), "--strip")

    def test_warnings_reach_stderr_where_nobody_else_takes_them(self):
        handlers, level, propagates = list(logging.root.handlers), logging.root.level, log.propagate
        logging.root.handlers[:] = []
        # As in a program of absl's.
        logging.root.setLevel(logging.INFO)
        try:
            with contextlib.redirect_stderr(io.StringIO()) as written, speaking_of_arguments():
                log.warning("--strip is on")
                log.info("not shown")
                logging.basicConfig()
                log.warning("once")
        finally:
            logging.root.handlers[:] = handlers
            logging.root.setLevel(level)
        self.assertEqual(written.getvalue(), "warning: strip is on\nwarning: once\n")
        self.assertEqual((log.handlers, log.propagate), ([], propagates))

    def test_progress_is_shown_where_it_is_asked_for(self):
        handlers = list(log.handlers)
        with speaking_of_arguments(verbose=True):
            self.assertTrue(log.isEnabledFor(logging.INFO))
            self.assertLen(log.handlers, len(handlers) + 1)
        self.assertEqual(log.handlers, handlers)


if __name__ == "__main__":
    absltest.main()
