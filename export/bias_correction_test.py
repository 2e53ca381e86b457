import numpy as np
from absl.testing import absltest

from goodnet.export.bias_correction import probability_factors


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


class BiasCorrectionTest(absltest.TestCase):
    def test_a_shift_is_found_and_taken_out(self):
        rng = np.random.default_rng(0)
        logits, shift = rng.normal(0, 3, (100, 7)), rng.normal(0, 0.3, 7)
        exact, quantised = _softmax(logits), _softmax(logits + shift + rng.normal(0, 0.01, (100, 7)))
        corrected = quantised * probability_factors(exact, quantised)
        corrected /= corrected.sum(axis=1, keepdims=True)
        self.assertLess(np.abs(corrected - exact).max(), 0.02)
        self.assertGreater(np.abs(quantised - exact).max(), 0.1)

    def test_nothing_to_take_out(self):
        exact = _softmax(np.random.default_rng(0).normal(0, 3, (50, 5)))
        np.testing.assert_allclose(probability_factors(exact, exact), np.ones(5))

    def test_an_answer_that_is_not_finite_is_no_reason_to_correct_anything(self):
        exact = _softmax(np.random.default_rng(0).normal(0, 3, (80, 5)))
        quantised = exact[:, ::-1].copy()
        quantised[3] = np.nan
        np.testing.assert_array_equal(probability_factors(exact, quantised), np.ones(5))

    def test_noise_alone_moves_little(self):
        rng = np.random.default_rng(0)
        logits = rng.normal(0, 3, (64, 7))
        exact, quantised = _softmax(logits), _softmax(logits + rng.normal(0, 0.3, logits.shape))
        np.testing.assert_allclose(probability_factors(exact, quantised), np.ones(7), atol=0.15)

    def test_what_does_not_carry_over_is_not_applied(self):
        # Every other image is shifted, and the ones between the other way: the mean of either half misleads the other.
        logits = np.random.default_rng(0).normal(0, 3, (80, 4))
        shift = np.where(np.arange(80) % 2 == 0, 1, -1)[:, None] * np.array([0.5, -0.5, 0.25, 0])
        np.testing.assert_array_equal(probability_factors(_softmax(logits), _softmax(logits + shift)), np.ones(4))

    def test_classes_improbable_beyond_measure_are_left_alone(self):
        logits = np.random.default_rng(0).normal(0, 1, (80, 5))
        logits[:, 3] = -500
        shift = np.array([0.2, 0, 0, 9, 0])
        factors = probability_factors(_softmax(logits), _softmax(logits + shift))
        self.assertEqual(factors[3], 1)
        np.testing.assert_allclose(factors[0] / factors[1], np.exp(-0.2), rtol=1e-4)
        self.assertTrue(np.isfinite(factors).all())

    def test_certainty_itself_is_no_number_that_is_not_one(self):
        certain = np.eye(4, dtype=np.float32)[np.arange(40) % 4]
        np.testing.assert_array_equal(probability_factors(certain, certain), np.ones(4))


if __name__ == "__main__":
    absltest.main()
