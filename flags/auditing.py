"""What an audit spends, and when it fails a build."""

from absl import flags

FAIL_ON = flags.DEFINE_enum(
    "fail_on",
    "never",
    ["never", "backdoor"],
    "With backdoor, exit with status 3 when the verdict is backdoor, for a gate in continuous integration.",
)
SCREENED_ABOVE = flags.DEFINE_integer(
    "screened_above",
    64,
    "With more labels than this, a short inversion of all chooses those that get the whole one.",
    lower_bound=1,
)
