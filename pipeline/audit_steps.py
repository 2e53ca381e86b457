"""The steps of an audit: open the suspect on clean images, then look for evidence of a backdoor."""

from dataclasses import dataclass

from goodnet.data.class_names import read_class_names
from goodnet.data.image_set import ImageSet
from goodnet.data.reading_options import AS_STORED, ReadingOptions
from goodnet.models.input_scale import DEFAULT_SCALES, InputScale
from goodnet.models.legacy_keras import keras
from goodnet.models.loading.network_cost import MOST_MULTIPLY_ADDS
from goodnet.pipeline.inputs.case import Case, as_taken, opened
from goodnet.pipeline.inputs.suspect import Suspect, chance_policy, open_suspect
from goodnet.pipeline.inversion.evidence import Evidence, EvidenceSettings, find_evidence
from goodnet.pipeline.inversion.search import SearchSettings


@dataclass(frozen=True)
class AuditOptions:
    """How an audit goes; the defaults are those of the flags.

    Attributes:
        seed: of all that is random.
        architecture: of a file that holds weights only; None to recognise it.
        max_multiply_adds: what the model may cost for one image.
        scales: input scales to try.
        skip_broken_images: leave out images of a folder that can't be decoded, instead of refusing the folder.
        allow_chance: go on, with a warning, with a suspect that is no better than chance on the clean data.
        reading: how images are read.
    """

    seed: int = 0
    architecture: str | None = None
    max_multiply_adds: int = MOST_MULTIPLY_ADDS
    scales: tuple[InputScale, ...] = DEFAULT_SCALES
    skip_broken_images: bool = True
    allow_chance: bool = False
    reading: ReadingOptions = AS_STORED


@dataclass(frozen=True)
class Audit:
    """A suspect that was opened, and what to look for.

    Attributes:
        suspect: the model.
        clean: all clean images.
        settings: of the search for evidence.
        reading: how the images were read.
    """

    suspect: Suspect
    clean: ImageSet
    settings: EvidenceSettings
    reading: ReadingOptions = AS_STORED

    def find_evidence(self, keep_dir: str | None = None) -> Evidence:
        """Looks for a backdoor; finished searches are kept in a folder, if one is given, and not done again."""
        return find_evidence(self.suspect.network, self.clean, self.settings, keep_dir)

    def request(self) -> dict[str, str]:
        """All that the triggers depend on, but for the inputs and the code."""
        return {
            "input scale": self.suspect.network.scale.name,
            "settings": repr(self.settings),
            "reading": repr(self.reading),
        }


def open_audit(case: Case, options: AuditOptions) -> Audit:
    """Opens the suspect and the clean images; seeds what is random.

    Args:
        case: the model, the clean images and the class names; sets that are only measured on are not looked at.
        options: how.

    Raises:
        InputError: what the user can mend, in one line.
    """
    keras.utils.set_random_seed(options.seed)
    clean = opened(case.clean, options.skip_broken_images, read_class_names(case.class_names), options.reading)
    suspect = open_suspect(
        case.model,
        clean,
        options.scales,
        options.architecture,
        chance_policy(options.allow_chance),
        options.max_multiply_adds,
        case.model_name,
    )
    clean = as_taken(clean, suspect.facts.image_shape)
    return Audit(suspect, clean, EvidenceSettings(SearchSettings(seed=options.seed), options.seed), options.reading)
