"""Made-up rows for tests."""

from bench.grid import Cell
from bench.results import HEADER
from bench.row_file import Row


def example_row(cell: Cell, **figures: object) -> Row:
    """A row as `Results` reads it, all text: an attack of 100 % that the defense halves, for one point of accuracy.

    Args:
        cell: what the row is of.
        **figures: values that differ from that.
    """
    badnet = cell.badnet
    row: dict[str, object] = {
        "cell": cell.name,
        "role": badnet.role,
        "dataset": badnet.dataset,
        "network": badnet.network,
        "attack": badnet.attack,
        "seed": badnet.seed,
        "clean": cell.clean,
        "method": cell.method,
        "clean_images": 418,
        "targets": 1,
        "strength": "strong",
        "acc_before": 0.95,
        "acc_after": 0.94,
        "asr_before": 1.0,
        "asr_after": 0.5,
        "asr_after_worst": 0.5,
        "ra_before": 0.0,
        "ra_after": 0.5,
        "ra_after_worst": 0.5,
        "der": 0.745,
        "der_worst": 0.745,
        "detector_acc": 0.93,
        "detector_asr": 0.1,
        "tpr": 0.9,
        "tpr_worst": 0.9,
        "fpr": 0.01,
        "auroc": 0.99,
        "auroc_worst": 0.99,
        "worst_class": 3,
        "worst_class_before": "9/10",
        "worst_class_after": "7/10",
        "worst_class_lost": 0.2,
        "versions": "numpy 1.26.4",
        "seconds": 60.0,
        "badnet_sha256": badnet.name,
        "code": "0123456789ab",
        **figures,
    }
    return {name: "" if row[name] is None else str(row[name]) for name in HEADER}
