import numpy as np
from absl.testing import absltest

from goodnet.models.channels.ties import ChannelTies


class ChannelTiesTest(absltest.TestCase):
    def test_joined_channels_have_one_root(self):
        ties = ChannelTies()
        left, middle, right = ties.new(3), ties.new(3), ties.new(3)
        ties.join(right, middle)
        ties.join(left, right)
        np.testing.assert_array_equal(ties.roots(left), left)
        np.testing.assert_array_equal(ties.roots(middle), left)
        np.testing.assert_array_equal(ties.roots(right), left)

    def test_channels_tied_among_themselves(self):
        ties = ChannelTies()
        channels = ties.new(4)
        ties.join(channels[:3], channels[1:])
        np.testing.assert_array_equal(ties.roots(channels), [0, 0, 0, 0])

    def test_reason_holds_the_whole_set_and_the_first_is_told(self):
        ties = ChannelTies()
        left, right = ties.new(2), ties.new(2)
        ties.hold(right[:1], "first")
        ties.hold(left, "second")
        ties.join(left, right)
        self.assertEqual(ties.held(), {0: "first", 1: "second"})


if __name__ == "__main__":
    absltest.main()
