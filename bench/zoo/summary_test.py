import dataclasses
import io
import json

from absl.testing import absltest
from PIL import Image

from bench.zoo.figure import figure
from bench.zoo.rows import COLUMNS, Outcome
from bench.zoo.summary import AUDIT, percentile, summary


def _outcome(kind, before, after, tpr=1.0):
    return Outcome(kind, 3, asr_before=before, asr_after=after, asr_shipped=0.01, ra=0.5, tpr=tpr)


def _row(seed, method, *outcomes, lost=0.01, fpr=0.02, held_out=False, verdict="", named="", changed=True):
    row = dict.fromkeys(COLUMNS, "")
    row.update(
        cell=f"{seed}/5%/{method}", seed=str(seed), held_out=str(held_out), clean_percent="5", dataset="gtsrb",
        network="vgg", width="wide", kinds=" + ".join(one.kind for one in outcomes) or "clean", method=method,
        acc_before="0.9", acc_after=str(0.9 - lost), fpr=str(fpr), seconds="10", code="abc",
        verdict=verdict, named=named, targets="3" if outcomes else "", changed=str(changed),
        triggers=json.dumps([dataclasses.asdict(one) for one in outcomes]),
    )  # fmt: skip
    if outcomes:
        row.update(asr_before="0.95", asr_after_worst=str(max(one.asr_after for one in outcomes)), tpr_worst="0.5")
    return row


def _table(text, title):
    lines = text.split(f"### {title}\n\n")[1].split("\n\n")[0].splitlines()
    head, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line]
    return {row[0]: list(zip(head, row, strict=True)) for row in rows}


_ROWS = [
    _row(0, "full", _outcome("patch", 0.95, 0.10, tpr=0.8), _outcome("blended", 0.99, 0.02), lost=0.01, fpr=0.01),
    _row(1, "full", _outcome("patch", 1.00, 0.30), _outcome("WaNet", 0.5, 0.4), lost=0.03, fpr=0.03),
    _row(2, "full", _outcome("WaNet", 0.7, 0.6), lost=0.2),
    _row(3, "full", lost=0.004, fpr=0.015, verdict="clean", changed=False),
    _row(4, "full", lost=-0.002, fpr=0.005, verdict="backdoor", named="5 8"),
    _row(0, "fine-tuning", _outcome("patch", 0.95, 0.9), _outcome("blended", 0.99, 0.8), lost=0.0),
]


class SummaryTest(absltest.TestCase):
    def test_means_and_worst_over_the_attacks_that_worked(self):
        rows = _table(summary(_ROWS), "BadNets")
        values = [value for _, value in rows["full"]]
        self.assertEqual(values[:4], ["full", "2", "2.0", "3.0"])  # the net of a weak attack alone is not here
        self.assertEqual(values[4:9], ["3", "14.0", "10.0", "30.0", "30.0"])
        self.assertEqual(values[9:], ["1.0", "50.0", "93.3", "80.0", "2.0", "3.0", "10"])
        self.assertEqual(
            [value for _, value in rows["no defense"]][:9],
            ["no defense", "2", "", "", "3", "98.0", "99.0", "100.0", "100.0"],
        )

    def test_clean_networks_and_weak_attacks_are_apart(self):
        text = summary(_ROWS)
        clean = [value for _, value in _table(text, "Clean networks")["full"]]
        self.assertEqual(clean, ["full", "2", "1", "0.1", "0.4", "1.0", "1.5", "10"])
        weak = [value for _, value in _table(text, "Attacks below 90 % before any defense")["WaNet"]]
        self.assertEqual(weak, ["WaNet", "2", "60.0", "50.0 (60.0)", ""])
        only = [value for _, value in _table(text, "BadNets that have no other attack")["full"]]
        self.assertEqual(only[:5], ["full", "1", "1", "20.0", "20.0"])

    def test_by_kind(self):
        table = _table(summary(_ROWS), "ASR after by kind of trigger: mean (worst)")
        self.assertEqual([value for _, value in table["patch"]], ["patch", "2", "97.5", "20.0 (30.0)", "90.0 (90.0)"])
        self.assertNotIn("WaNet", table)

    def test_held_out_comes_first_and_apart(self):
        text = summary([*_ROWS, _row(1000, "full", held_out=True)])
        self.assertLess(text.index("## Held out"), text.index("## Development"))
        self.assertNotIn("Every network", text.split("## Development")[0])
        self.assertIn("Every network", text.split("## Development")[1])
        self.assertIn("7 cells, 6 networks", text)
        self.assertNotIn("states of the code", text)
        self.assertIn("2 states of the code", summary([*_ROWS, {**_ROWS[0], "code": "other"}]))

    def test_verdicts_are_counted_apart_for_what_is_held_out(self):
        text = summary([*_ROWS, _row(1000, "full", held_out=True, verdict="inconclusive")])
        held_out, development = (part.split(AUDIT)[1] for part in text.split("## Development"))
        self.assertIn("(1/2)", development)
        self.assertIn("(1/1)", held_out)
        self.assertIn("0.2 / - / - / backdoor 5 8", development.replace("-0.2", "0.2"))

    def test_nothing_yet(self):
        self.assertEqual(summary([]), "No cell is done.")

    def test_percentile_is_one_of_the_values(self):
        self.assertEqual(percentile([0.4, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], 0.9), 0.9)
        self.assertEqual(percentile([0.3], 0.9), 0.3)

    def test_the_figure_is_a_picture(self):
        for rows in (_ROWS, []):
            self.assertGreater(Image.open(io.BytesIO(figure(rows))).width, 1000)


if __name__ == "__main__":
    absltest.main()
