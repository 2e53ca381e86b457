"""The size of the embedded faces."""

from absl import flags

from goodnet.data.faces import face_sets

IDENTITIES = flags.DEFINE_integer(
    "identities", face_sets.DEFAULT_IDENTITIES, "Identities (classes) of the embedded faces.", lower_bound=2
)
IMAGES_PER_IDENTITY = flags.DEFINE_integer(
    "images_per_identity",
    face_sets.DEFAULT_IMAGES_PER_IDENTITY,
    "Images of each identity, over training, validation and test.",
    lower_bound=4,
)
