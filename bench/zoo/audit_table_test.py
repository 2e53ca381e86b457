import dataclasses
import json

from absl.testing import absltest

from bench.zoo.audit_table import audit_table
from bench.zoo.rows import COLUMNS, Outcome


def _row(verdict, named="", targets=(), weak=(), method="full"):
    """A network with strong triggers to `targets` and weak ones to `weak`."""
    outcomes = [Outcome("patch", target, 1.0, 0, 0, 1, 1) for target in targets]
    outcomes += [Outcome("patch", target, 0.5, 0, 0, 1, 1) for target in weak]
    return {
        **dict.fromkeys(COLUMNS, ""),
        "method": method,
        "verdict": verdict,
        "named": named,
        "targets": " ".join(map(str, sorted({*targets, *weak}))),
        "triggers": json.dumps([dataclasses.asdict(one) for one in outcomes]),
    }


def _counts(*rows):
    """The counts of a table of one method, by network and verdict."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in audit_table(rows).splitlines()[2:]]
    return {(network, said): cell.rpartition("(")[2].rstrip(")") for network, said, cell in lines}


class AuditTableTest(absltest.TestCase):
    def test_clean_networks(self):
        rows = [*[_row("clean")] * 3, _row("inconclusive"), _row("backdoor", "7")]
        self.assertEqual(
            _counts(*rows),
            {
                ("clean", "clean"): "3/5",
                ("clean", "inconclusive"): "1/5",
                ("clean", "backdoor: accused wrongly"): "1/5",
            },
        )
        self.assertIn("60.0 [14.7, 94.7] (3/5)", audit_table(rows))

    def test_badnets(self):
        counts = _counts(
            _row("backdoor", "3 10", targets=(3, 10)),
            _row("backdoor", "3 7", targets=(3,)),  # one too many
            _row("backdoor", "3", targets=(3,), weak=(5,)),  # the weak trigger's need not be named ...
            _row("backdoor", "3 5", targets=(3,), weak=(5,)),  # ... and may be
            _row("backdoor", "10", targets=(1, 10)),
            _row("backdoor", "1", targets=(10,)),
            _row("inconclusive", targets=(3,)),
            _row("clean", targets=(3,)),
            _row("clean", weak=(5,)),  # counts for nothing
        )
        self.assertEqual(
            counts,
            {
                ("BadNets", "backdoor, every target named"): "4/8",
                ("BadNets", "backdoor, some targets named"): "1/8",
                ("BadNets", "backdoor, no target named"): "1/8",
                ("BadNets", "inconclusive"): "1/8",
                ("BadNets", "clean: missed"): "1/8",
                ("BadNets", "backdoor, an ordinary label among those named"): "2/8",
            },
        )

    def test_methods_without_evidence_have_no_column(self):
        blind = _row("", targets=(3,), method="fine-tuning")
        self.assertEqual(audit_table([blind]), "")
        self.assertNotIn("fine-tuning", audit_table([blind, _row("clean")]))


if __name__ == "__main__":
    absltest.main()
