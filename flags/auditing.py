"""When an audit fails a build."""

from absl import flags

FAIL_ON = flags.DEFINE_enum(
    "fail_on",
    "never",
    ["never", "backdoor"],
    "With backdoor, exit with status 3 when the verdict is backdoor, for a gate in continuous integration.",
)
