"""What an evaluation looks at besides its data and model."""

from absl import flags

RUN = flags.DEFINE_string(
    "run", None, "The folder of the repair to evaluate too. Default: looked for beside the model."
)
