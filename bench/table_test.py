from absl.testing import absltest

from bench.example_rows import example_row
from bench.grid import BadNet, Cell
from bench.table import markdown, summary


def _section(text: str, title: str) -> dict[str, dict[str, str]]:
    """The rows of one table by method, each as the texts of its columns."""
    (part,) = (part for part in text.split("### ") if part.splitlines()[0] == title)
    lines = [
        [word.strip() for word in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")
    ]
    return {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[2:]}


class TableTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.blended, self.middle = BadNet("gtsrb", "resnet", "blended"), BadNet("gtsrb", "resnet", "middle-patch")

    def test_mean_and_worst_of_each_method_and_no_defense_once_a_badnet(self):
        rows = [
            example_row(
                Cell(self.blended, 5, "full"), asr_after=0.1, asr_after_worst=0.1, asr_before=0.96, seconds=100
            ),
            example_row(Cell(self.middle, 5, "full"), asr_after=0.2, asr_after_worst=0.6, acc_after=0.91),
            example_row(Cell(self.middle, 5, "fine-tuning"), badnet_sha256="trained again, other bits"),
        ]
        found = _section(summary(rows), "held out, clean data 5%")
        self.assertEqual(list(found), ["no defense", "fine-tuning", "full"])
        self.assertEqual([row["cells"] for row in found.values()], ["2", "1", "2"])
        self.assertEqual(found["full"]["ASR"], "15.0 (60.0)")
        self.assertEqual(found["full"]["ACC lost"], "2.5 (4.0)")
        self.assertEqual(found["full"]["ACC"], "92.5 (91.0)")
        self.assertEqual(found["full"]["seconds"], "80 (100)")
        self.assertEqual((found["no defense"]["ASR"], found["no defense"]["TPR"]), ("98.0 (100.0)", ""))

    def test_development_weak_attacks_clean_suspects_and_other_clean_data_stand_apart(self):
        rows = [
            example_row(Cell(BadNet("gtsrb", "vgg", "patch"), 5, "full"), asr_after=0.01),
            example_row(Cell(self.blended, 5, "full"), asr_after=0.02),
            example_row(Cell(self.blended, None, "full"), asr_after=0.03),
            example_row(Cell(self.middle, 5, "full"), asr_after=0.04, strength="weak"),
            example_row(
                Cell(BadNet("gtsrb", "vgg", "clean"), 5, "full"),
                **dict.fromkeys(("strength", "asr_before", "asr_after", "asr_after_worst", "der", "der_worst", "tpr")),
            ),
        ]
        text = summary(rows)
        for title, expected in (
            ("development, clean data 5%", "1.0 (50.0)"),
            ("held out, clean data 5%", "2.0 (50.0)"),
            ("held out, clean data all", "3.0 (50.0)"),
            ("held out, clean data 5%, attack below 90 % before defense", "4.0 (50.0)"),
            ("development, clean data 5%, no attack at all", ""),
        ):
            self.assertEqual(_section(text, title)["full"]["ASR"], expected, title)

    def test_other_seeds_are_shown_as_a_span_and_do_not_weigh_in_the_main_table(self):
        rows = [
            example_row(
                Cell(BadNet("faces", "vgg", "blended", seed), 5, "full"), asr_after=0.1 * seed, asr_after_worst=0.3
            )
            for seed in range(3)
        ]
        text = summary(rows)
        self.assertEqual(_section(text, "held out, clean data 5%")["full"]["ASR"], "0.0 (30.0)")
        spans = _section(text, "3 seeds: mean over seeds (lowest to highest)")["faces vgg blended"]
        self.assertEqual((spans["seeds"], spans["ASR"]), ("3", "10.0 (0.0 to 20.0)"))

    def test_rows_of_different_code_are_pointed_out(self):
        rows = [
            example_row(Cell(self.middle, 5, "full"), code="a"),
            example_row(Cell(self.middle, 5, "fine-tuning"), code="b"),
        ]
        self.assertIn("2 states of the code", summary(rows))
        self.assertNotIn("states of the code", summary(rows[:1]))

    def test_nothing_done(self):
        self.assertEqual(summary([]), "No cell is done.")

    def test_markdown_lines_up(self):
        self.assertEqual(
            markdown([["a", "b"], ["long one", ""]]).splitlines()[1:], ["|----------|-----|", "| long one |     |"]
        )


if __name__ == "__main__":
    absltest.main()
