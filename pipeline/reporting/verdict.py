"""The report's first page in plain words: what was done, what came of it, and what the figures do not say."""

from collections.abc import Sequence
from dataclasses import dataclass

from goodnet.export.printable import printable
from goodnet.pipeline.measuring.evaluation import POISONED_UNKNOWN, WEAK, Evaluation, SetFigures, StageFigures
from goodnet.pipeline.measuring.predictions import BADNET, DETECTOR, REPAIRED
from goodnet.pipeline.measuring.rates import Rate
from goodnet.pipeline.reporting.evidence import LEFT_AS_IT_IS
from goodnet.pipeline.reporting.flag_names import naming_settings
from goodnet.pipeline.reporting.run_record import RunRecord

# An attack is called stopped when even the upper end of its interval is below the first, and it still works when it
# succeeds on more than the second; what lies between is reduced. The report states both.
STOPPED_BELOW = 0.05
WORKS_ABOVE = 0.20
# More clean accuracy than this and no repair is called good.
_COSTLY = 0.05
_FEW_IMAGES = 100
_STAGE_WORDS = ((BADNET, "as received"), (REPAIRED, "once repaired"), (DETECTOR, "with the detector"))


@dataclass(frozen=True)
class Tile:
    """One figure of the first page.

    Attributes:
        title: what it is.
        value: the figure.
        note: what it stands against: before, count, interval.
    """

    title: str
    value: str
    note: str


@dataclass(frozen=True)
class Verdict:
    """The first page.

    Attributes:
        tone: "good", "mixed", "bad" or "open".
        headline: a sentence or two.
        sentences: what was done and found.
        tiles: the main figures.
        caveats: what the figures do not say.
    """

    tone: str
    headline: str
    sentences: tuple[str, ...]
    tiles: tuple[Tile, ...]
    caveats: tuple[str, ...]


def give_verdict(record: RunRecord) -> Verdict:
    """Summarises the record in sentences. Every number in them was measured."""
    tone, headline = _headline(record.evaluation)
    if record.unchanged:
        left = "The model was left as it is: no evidence of a backdoor was found."
        headline = left if tone == "open" else f"{left} {headline}"
    sentences = (*_what_was_done(record), *_what_was_found(record.evaluation), *_detector_words(record))
    return Verdict(tone, headline, sentences, tuple(_tiles(record)), tuple(_caveats(record)))


def attack_state(before: Rate | None, after: Rate) -> str:
    """In a word: "stopped", "reduced", "still works", or "never worked" if it did not work on the BadNet either.

    Args:
        before: ASR of the BadNet, if it was measured.
        after: ASR of what ships.
    """
    if before is not None and before.value <= WORKS_ABOVE:
        return "never worked"
    if after.value > WORKS_ABOVE:
        return "still works"
    return "stopped" if after.interval[1] < STOPPED_BELOW else "reduced"


def final_stage(evaluation: Evaluation) -> str | None:
    """What ships: the detector if it was measured, else the repaired network, else the last one measured."""
    stages = dict.fromkeys(stage.stage for figures in evaluation.sets for stage in figures.stages)
    for stage in (DETECTOR, REPAIRED):
        if stage in stages:
            return stage
    return next((stage for stage in reversed(stages) if stage != BADNET), None)


def _headline(evaluation: Evaluation | None) -> tuple[str, str]:
    final = None if evaluation is None else final_stage(evaluation)
    if evaluation is None or final is None:
        return "open", "Nothing was measured on a repaired model."
    states = [attack_state(before, after) for before, after in _final_success(evaluation, final)]
    if not states:
        return "open", "Whether a backdoor is gone is not known: no triggered images were given to measure it."
    tried = [state for state in states if state != "never worked"]
    if not tried:
        return "open", "The attacks given do not work on the model as received, so they can't show what a repair does."
    lost = _accuracy_lost(evaluation, final)
    is_costly = lost is not None and lost > _COSTLY
    cost = f" The price is {100 * lost:.1f} points of clean accuracy." if lost is not None and is_costly else ""
    by = "With the detector, " if final == DETECTOR else "By the repair, "
    if "still works" in tried:
        return "bad", f"{by}{_counted_states(tried)}.{cost}"
    tone = "mixed" if "reduced" in tried or is_costly else "good"
    return tone, f"{by}{_counted_states(tried)}.{cost}"


def _counted_states(tried: Sequence[str]) -> str:
    """Such as "2 of 3 attacks are stopped and 1 still works"."""
    if len(tried) == 1:
        return {
            "stopped": "the attack is stopped",
            "reduced": "the attack is reduced, but not shown to be stopped",
            "still works": "the attack still works",
        }[tried[0]]
    if set(tried) == {"stopped"}:
        return f"all {len(tried)} attacks that were tried are stopped"
    words = {
        "stopped": ("is stopped", "are stopped"),
        "reduced": ("is reduced but not shown to be stopped", "are reduced but not shown to be stopped"),
        "still works": ("still works", "still work"),
    }
    counts = [(tried.count(state), *forms) for state, forms in words.items() if state in tried]
    parts = [f"{count} {one if count == 1 else many}" for count, one, many in counts]
    return f"of {len(tried)} attacks, {_listed(parts)}"


def _final_success(evaluation: Evaluation, final: str) -> list[tuple[Rate | None, Rate]]:
    counted = []
    for figures in evaluation.poisoned_sets:
        after = _success(figures.stage(final))
        if after is not None and after.total:
            counted.append((_success(figures.stage(BADNET)), after))
    return counted


def _success(figures: StageFigures | None) -> Rate | None:
    return None if figures is None else figures.attack_success


def _accuracy(figures: SetFigures | None, stage: str) -> Rate | None:
    found = None if figures is None else figures.stage(stage)
    return None if found is None else found.accuracy


def _accuracy_lost(evaluation: Evaluation, stage: str) -> float | None:
    before, after = _accuracy(evaluation.reference_set, BADNET), _accuracy(evaluation.reference_set, stage)
    return None if before is None or after is None else before.value - after.value


def _what_was_done(record: RunRecord) -> list[str]:
    model, method, outcome = record.model_name, printable(record.method), record.outcome
    done = []
    if record.evidence is not None:
        verdict = record.evidence.verdict
        done.append(f"The verdict on {model}, from clean images alone, is {verdict.name}: {verdict.reason}.")
    if record.unchanged:
        done.append(naming_settings(LEFT_AS_IT_IS))
    else:
        done.append(f"Repaired by {method}, on clean images only: {model}.")
    if outcome is not None and outcome.pruning is not None:
        pruning = outcome.pruning
        closed = [
            f"{int(pruning.closed[group.sites[0]].sum())} of {group.channels} channels of {printable(group.name)}"
            for group in pruning.profile.groups
            if group.sites[0] in pruning.closed
        ]
        if closed:
            done.append(f"Removed as dormant on clean images: {_listed(closed)}.")
        else:
            done.append("No channel could be removed without losing more clean accuracy than was allowed.")
    if outcome is not None and outcome.triggers:
        labels = ", ".join(map(str, sorted({trigger.label for trigger in outcome.triggers})))
        done.append(f"Unlearned: {len(outcome.triggers)} inverted triggers that led to label {labels}.")
    return done


def _what_was_found(evaluation: Evaluation | None) -> list[str]:
    if evaluation is None:
        return []
    found = []
    reference = evaluation.reference_set
    measured = [(_accuracy(reference, stage), words) for stage, words in _STAGE_WORDS]
    accuracies = [f"{_percent(rate)} {words}" for rate, words in measured if rate is not None]
    if reference is not None and accuracies:
        found.append(
            f"Clean accuracy on {printable(reference.name)}: {_listed(accuracies)} ({reference.images} images)."
        )
    for figures in evaluation.poisoned_sets:
        if not figures.counted:
            continue
        rates = [(_success(figures.stage(stage)), words) for stage, words in _STAGE_WORDS]
        successes = [f"{_percent(rate)} {words}" for rate, words in rates if rate is not None]
        found.append(
            f"The attack {printable(figures.name)} succeeds on {_listed(successes)} ({figures.counted} images)."
        )
    return found


def _detector_words(record: RunRecord) -> list[str]:
    if record.calibration is None or (record.unchanged and record.calibration.threshold == 0):
        return []
    words = (
        f'The detector answers like the repaired network, or "backdoor" when its suspicion exceeds '
        f"{record.calibration.threshold:.4g}"
    )
    lost = f"a threshold set so that at most {100 * record.calibration.promised:.3g} % of clean inputs are lost"
    reached = _flagged_on_reference(record.evaluation)
    measured = f"; on images it was not set on it flags {reached}" if reached is not None else ""
    return [f"{words}, {lost}{measured}."]


def _flagged_on_reference(evaluation: Evaluation | None) -> Rate | None:
    reference = None if evaluation is None else evaluation.reference_set
    detector = None if reference is None else reference.stage(DETECTOR)
    return None if detector is None else detector.flagged


def _tiles(record: RunRecord) -> list[Tile]:
    tiles = []
    evaluation = record.evaluation
    final = None if evaluation is None else final_stage(evaluation)
    if evaluation is not None and final is not None:
        accuracy = _accuracy(evaluation.reference_set, final)
        if accuracy is not None:
            before = _accuracy(evaluation.reference_set, BADNET)
            tiles.append(Tile("Clean accuracy", _percent(accuracy), _against(before, accuracy)))
        counted = _final_success(evaluation, final)
        if counted:
            before, after = max(counted, key=lambda pair: (pair[1].value, pair[1].interval[1]))
            title = "Attack success" if len(counted) == 1 else f"Attack success, worst of {len(counted)}"
            tiles.append(Tile(title, _percent(after), _against(before, after)))
        flagged = _flagged_on_reference(evaluation)
        if flagged is not None:
            asked = "" if record.calibration is None else f"asked: at most {100 * record.calibration.asked:.3g} %, "
            tiles.append(Tile("Clean inputs flagged", _percent(flagged), f"{asked}measured {_interval(flagged)}"))
    parity = None if record.figures is None else record.figures.parity
    if parity is not None:
        same = Rate(parity.same_label, parity.images)
        title = f"Same answer in {record.findings.get('precision', 'TFLite')}"
        tiles.append(Tile(title, _percent(same, 2), f"of {same.total} images, Keras against TFLite"))
    return tiles


def _caveats(record: RunRecord) -> list[str]:
    caveats = []
    evaluation = record.evaluation
    if evaluation is None or not evaluation.poisoned_sets:
        caveats.append("Without triggered images, clean accuracy alone says nothing about a backdoor.")
    else:
        caveats.extend(_attack_caveats(evaluation.poisoned_sets))
        caveats.extend(_repaired_alone(evaluation.poisoned_sets))
        caveats.append("Figures hold for the triggers that were tried; another trigger may still work.")
    if record.unchanged:
        return [*caveats, "A verdict of clean is no proof: a backdoor may have passed unseen."]
    calibration = record.calibration
    if calibration is not None and calibration.promised > calibration.asked:
        caveats.append(
            f"The threshold was set on {calibration.images} clean images, which can promise a false positive rate of "
            f"no less than {100 * calibration.promised:.2g} %; {100 * calibration.asked:.3g} % was asked for."
        )
    if calibration is not None:
        caveats.append("A flagged clean image counts as a wrong answer in the detector's clean accuracy.")
    return caveats


def _attack_caveats(sets: Sequence[SetFigures]) -> list[str]:
    caveats = []
    weak = [printable(figures.name) for figures in sets if figures.strength == WEAK]
    if weak:
        caveats.append(f"Below 90 % success before any defense, so counted apart from the others: {_listed(weak)}.")
    unknown = [printable(figures.name) for figures in sets if figures.kind == POISONED_UNKNOWN]
    if unknown:
        caveats.append(
            f"True labels are not known for {_listed(unknown)}: attack success is over all images there, those of the "
            "target's own class included, and robust accuracy is not available."
        )
    few = [f"{printable(figures.name)} ({figures.counted})" for figures in sets if figures.counted < _FEW_IMAGES]
    if few:
        caveats.append(f"Few images, so wide intervals: {_listed(few)}.")
    return caveats


def _repaired_alone(sets: Sequence[SetFigures]) -> list[str]:
    """Names attacks that the detector stops and the repaired network alone does not."""
    falls = []
    for figures in sets:
        alone, detector = _success(figures.stage(REPAIRED)), _success(figures.stage(DETECTOR))
        if alone is None or detector is None or not alone.total:
            continue
        if alone.value > WORKS_ABOVE >= detector.value:
            falls.append(f"{printable(figures.name)} ({_percent(alone)})")
    if not falls:
        return []
    return [f"Only the detector holds these attacks; without it the repaired network falls to {_listed(falls)}."]


def _percent(rate: Rate, decimals: int = 1) -> str:
    return f"{100 * rate.value:.{decimals}f} %" if rate.total else "-"


def _interval(rate: Rate) -> str:
    low, high = rate.interval
    return f"[{100 * low:.1f}, {100 * high:.1f}] on {rate.total}"


def _against(before: Rate | None, after: Rate) -> str:
    return f"{_interval(after)}" if before is None else f"before: {_percent(before)}; now {_interval(after)}"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
