"""A binary imports this before all else: Ctrl-C while it imports the rest, which takes seconds, is one line too."""

import sys

from pipeline.interrupting import end_at_once_when_interrupted, is_started_as_a_program

if is_started_as_a_program(sys.argv[0]):
    end_at_once_when_interrupted()
