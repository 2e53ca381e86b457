"""Lets pytest run absl's tests: their temporary folders are absl flags, which pytest does not parse."""

from absl import flags

flags.FLAGS.mark_as_parsed()
