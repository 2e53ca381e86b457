"""The case of a run without flags: embedded faces and a BadNet trained on them, kept for the next run."""

import hashlib
import os
import pathlib
from dataclasses import asdict, dataclass, replace

import goodnet.data.faces
import goodnet.data.triggers
import goodnet.pipeline.training
from goodnet.data.faces.face_sets import face_sets
from goodnet.data.hdf5 import write_hdf5
from goodnet.data.triggers.catalogue import parse_attack
from goodnet.pipeline.attacking.badnet_files import write_badnet
from goodnet.pipeline.run.output_files import make_folder, only_run_in, write_json
from goodnet.pipeline.run.progress import log
from goodnet.pipeline.training.badnet import BadNetSettings, train_badnet
from goodnet.pipeline.training.run_config import RunConfig

_TRIGGER = "sunglasses@0"
_NAME = "sunglasses"
_SETTINGS = BadNetSettings(
    network="deepid", poison_share=0.1, epochs=20, learning_rate=2e-3, batch_size=64, max_shift=0
)


@dataclass(frozen=True)
class EmbeddedCase:
    """Paths of a case: the BadNet, the defender's clean images, clean test images, poisoned ones."""

    model: str
    clean: str
    test: str
    poisoned: str


def embedded_case(cache_dir: str, identities: int, images_per_identity: int, run: RunConfig) -> EmbeddedCase:
    """Makes the case, or finds it in the cache.

    Args:
        cache_dir: where cases are kept; a case made by other code or with other settings is another case.
        identities: identities of the faces, the classes.
        images_per_identity: images of each.
        run: where to train; its seed is that of faces and BadNet, and its folder is not looked at.

    Raises:
        InputError: the cache cannot be written to, or another run is making the case.
    """
    folder = os.path.join(cache_dir, f"faces-{identities}x{images_per_identity}-seed{run.seed}-{_edition()}")
    case = EmbeddedCase(
        *(
            os.path.join(folder, name)
            for name in (
                f"{_NAME}_bd_net.h5",
                "clean_validation.h5",
                "clean_test.h5",
                f"{_NAME}_poisoned_sunglasses-0.h5",
            )
        )
    )
    make_folder(folder, "cache_dir")
    with only_run_in(folder, "cache_dir", replaced=("*",)):
        finished = os.path.join(folder, "finished.json")
        if os.path.exists(finished):
            log.info("embedded faces and their BadNet: found in %s", folder)
            return case
        log.info("embedded faces: drawing %d identities x %d images", identities, images_per_identity)
        sets = face_sets(identities, images_per_identity, run.seed)
        write_hdf5(case.clean, sets.validation)
        write_hdf5(case.test, sets.test)
        attack = parse_attack(_TRIGGER)
        kept = replace(run, folder=os.path.join(folder, "checkpoint"))
        model, _ = train_badnet(sets.train, [attack], _SETTINGS, kept)
        described = {**asdict(_SETTINGS), "seed": run.seed, "triggers": [_TRIGGER]}
        write_badnet(folder, _NAME, model, [attack], sets.test, described)
        write_json(finished, asdict(case))
    return case


def _edition() -> str:
    """Tells apart cases that were made by other code or settings."""
    digest = hashlib.sha256(repr((_SETTINGS, _TRIGGER)).encode())
    for package in (goodnet.data.faces, goodnet.data.triggers, goodnet.pipeline.training):
        for source in sorted(pathlib.Path(package.__path__[0]).glob("*.py")):
            if not source.stem.endswith("_test"):
                digest.update(source.read_bytes())
    return digest.hexdigest()[:12]
