from absl.testing import absltest

from bench.cell_table import cell_table
from bench.cells import COLUMNS


def _row(**values):
    row = dict.fromkeys(COLUMNS, "")
    row.update(
        cell="gtsrb/vgg/patch/seed0/full", clean_percent="5", clean_images="418", strength="strong", acc_before="0.95",
        acc_after="0.94", asr_before="1.0", asr_after="0.1", asr_after_worst="0.1", ra="0.5", tpr="0.9",
        tpr_worst="0.9", fpr="0.01", seconds="60.4", code="abc",
    )  # fmt: skip
    return {**row, **values}


def _cells(text):
    return [[word.strip() for word in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"][2:]


class CellTableTest(absltest.TestCase):
    def test_a_line_a_cell(self):
        (line,) = _cells(cell_table([_row()]))
        self.assertEqual(
            line, ["gtsrb/vgg/patch/seed0/full", "5 %", "95.0", "94.0", "100.0", "10.0", "50.0", "90.0", "1.0", "60"]
        )

    def test_the_worst_of_several_triggers_weak_attacks_and_what_does_not_apply(self):
        attack = dict.fromkeys(("asr_before", "asr_after", "asr_after_worst", "ra", "tpr", "tpr_worst"), "")
        several, clean = _cells(
            cell_table(
                [
                    _row(strength="weak", asr_before="0.8", asr_after_worst="0.3", tpr_worst="0.2"),
                    _row(strength="", clean_percent="", **attack),
                ]
            )
        )
        self.assertEqual(several[4:8], ["80.0 *", "10.0 (30.0)", "50.0", "90.0 (20.0)"])
        self.assertEqual(clean[1:8], ["all 418", "95.0", "94.0", "-", "-", "-", "-"])

    def test_nothing_done(self):
        self.assertEqual(cell_table([]), "No cell is done.")


if __name__ == "__main__":
    absltest.main()
