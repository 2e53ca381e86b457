"""Names of the architectures that this project builds, for whoever must not wait for TensorFlow."""

NAMES = ("deepid", "vgg", "resnet")
