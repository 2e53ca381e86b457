"""Who a drawn face belongs to: everything that stays the same in all images of one identity.

Lengths are in pixels of an aligned 55 x 47 face, in the face's own frame: the origin is the middle of the head, x goes
right and y down. Every trait comes from a continuous distribution, so that any number of identities can be drawn.
Colours are float32 [3], RGB, 0 to 255.
"""

from dataclasses import dataclass

import numpy as np

_SKIN_TONES = np.array([[252, 222, 202], [238, 192, 162], [212, 158, 122], [158, 106, 76], [96, 62, 46]], np.float32)
_HAIR_TONES = np.array([[20, 16, 16], [52, 34, 24], [98, 62, 38], [168, 122, 70], [222, 188, 128]], np.float32)
_HAIR_RED = np.array([150, 66, 30], np.float32)
_HAIR_GREY = np.array([196, 194, 192], np.float32)
_IRIS_TONES = np.array([[38, 24, 18], [84, 54, 30], [92, 100, 60], [82, 120, 158]], np.float32)


@dataclass(frozen=True)
class Head:
    """Outline of the face: half widths at four heights, the height of crown and chin, and the ears."""

    temple: float
    cheekbone: float
    jaw: float
    chin_width: float
    crown_y: float
    chin_y: float
    ear_size: float
    neck: float


@dataclass(frozen=True)
class Eyes:
    """The eyes: how far apart and how high they are, their form and colour."""

    half_distance: float
    y: float
    half_width: float
    half_height: float
    slant: float
    socket: float
    iris: np.ndarray


@dataclass(frozen=True)
class Brows:
    """The eyebrows: distance above the eye, reach, arch, thickness and colour."""

    above_eye: float
    inner: float
    outer: float
    arch: float
    slant: float
    thickness: float
    colour: np.ndarray


@dataclass(frozen=True)
class Nose:
    """The nose: the height of its tip, half its width, and how strong its ridge shows."""

    tip_y: float
    half_width: float
    ridge: float


@dataclass(frozen=True)
class Mouth:
    """The mouth at rest: height, half width, thickness of the lips, how its corners bend, and colour."""

    y: float
    half_width: float
    upper_lip: float
    lower_lip: float
    bend: float
    colour: np.ndarray


@dataclass(frozen=True)
class Hair:
    """The hair: how far it stands off the skull, how far down it falls, its hairline and colour; or none."""

    bald: bool
    volume: float
    bottom_y: float
    hairline_y: float
    receding: float
    parting: float
    sweep: float
    colour: np.ndarray


@dataclass(frozen=True)
class Beard:
    """Hair on the lower face, as opacities 0 to 1: over cheeks and chin, and above the lip."""

    cheeks: float
    moustache: float


@dataclass(frozen=True)
class Glasses:
    """Thin spectacles (clear lenses): half the size of a lens, thickness of the frame, colour; or none."""

    worn: bool
    half_width: float
    half_height: float
    thickness: float
    colour: np.ndarray


@dataclass(frozen=True)
class Clothes:
    """What is seen below the chin: colours of coat and of what is under it, and how deep the neckline is."""

    coat: np.ndarray
    shirt: np.ndarray
    neckline: float
    shoulder_y: float


@dataclass(frozen=True)
class Identity:
    """One person."""

    skin: np.ndarray
    head: Head
    eyes: Eyes
    brows: Brows
    nose: Nose
    mouth: Mouth
    hair: Hair
    beard: Beard
    glasses: Glasses
    clothes: Clothes


def draw_identity(seed: int, identity: int) -> Identity:
    """Draws one identity; the same arguments always give the same person, whatever else was drawn.

    Args:
        seed: seed of the whole set, >= 0.
        identity: number of the identity in the set, >= 0.

    Returns:
        The identity.
    """
    # The 1 keeps this stream apart from the images' streams (scene.py): NumPy pads short seeds with zeros.
    rng = np.random.default_rng([seed, 1, identity])
    masculine = rng.random()
    skin = _tone(rng, _SKIN_TONES, rng.beta(0.9, 1.3)) * rng.normal(1.0, 0.035, 3).astype(np.float32)
    hair_colour = _hair_colour(rng)
    head = _draw_head(rng, masculine)
    eyes = _draw_eyes(rng)
    return Identity(
        skin=np.clip(skin, 30, 255),
        head=head,
        eyes=eyes,
        brows=_draw_brows(rng, masculine, hair_colour),
        nose=Nose(tip_y=_around(rng, 4.2, 1.0), half_width=_around(rng, 3.1, 0.55), ridge=rng.uniform(0.3, 1.0)),
        mouth=_draw_mouth(rng, masculine, skin),
        hair=_draw_hair(rng, masculine, head, hair_colour),
        beard=_draw_beard(rng, masculine),
        glasses=Glasses(
            worn=rng.random() < 0.18,
            half_width=rng.uniform(4.0, 5.4),
            half_height=rng.uniform(2.5, 4.2),
            thickness=rng.uniform(0.45, 0.9),
            colour=_colour(rng, 10, 110),
        ),
        clothes=Clothes(
            coat=_colour(rng, 10, 220),
            shirt=_colour(rng, 60, 255),
            neckline=rng.uniform(-2.0, 10.0),
            shoulder_y=rng.uniform(20.5, 25.0),
        ),
    )


def _around(rng: np.random.Generator, mean: float, deviation: float) -> float:
    """Draws from a normal distribution cut off at two deviations."""
    return mean + deviation * float(np.clip(rng.normal(), -2.0, 2.0))


def _colour(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """Draws a colour that is rather greyish than gaudy."""
    brightness = rng.uniform(low, high)
    return np.clip(brightness + rng.normal(0.0, 20.0, 3), 0, 255).astype(np.float32)


def _tone(rng: np.random.Generator, tones: np.ndarray, position: float) -> np.ndarray:
    """Returns the colour at `position` (0 to 1) on a scale of tones, with a little variation."""
    steps = np.linspace(0.0, 1.0, len(tones))
    colour = np.array([np.interp(position, steps, tones[:, channel]) for channel in range(3)])
    return (colour + rng.normal(0.0, 4.0, 3)).astype(np.float32)


def _hair_colour(rng: np.random.Generator) -> np.ndarray:
    colour = _tone(rng, _HAIR_TONES, rng.beta(0.8, 1.5))
    red = rng.beta(0.4, 2.5)
    grey = rng.beta(0.25, 1.0)
    colour = colour * (1.0 - red) + _HAIR_RED * red
    return np.clip(colour * (1.0 - grey) + _HAIR_GREY * grey, 0, 255)


def _draw_head(rng: np.random.Generator, masculine: float) -> Head:
    cheekbone = _around(rng, 14.3, 0.9)
    jaw = cheekbone * _around(rng, 0.79 + 0.07 * masculine, 0.045)
    return Head(
        temple=cheekbone * _around(rng, 0.95, 0.03),
        cheekbone=cheekbone,
        jaw=jaw,
        chin_width=jaw * _around(rng, 0.46 + 0.1 * masculine, 0.07),
        crown_y=_around(rng, -25.0, 1.2),
        chin_y=_around(rng, 21.0, 1.1),
        ear_size=_around(rng, 3.2, 0.6),
        neck=_around(rng, 8.0 + 2.0 * masculine, 0.8),
    )


def _draw_eyes(rng: np.random.Generator) -> Eyes:
    return Eyes(
        half_distance=_around(rng, 6.7, 0.6),
        y=_around(rng, -7.2, 0.7),
        half_width=_around(rng, 2.9, 0.35),
        half_height=_around(rng, 1.35, 0.25),
        slant=_around(rng, 0.0, 0.4),
        socket=rng.uniform(0.08, 0.32),
        iris=_tone(rng, _IRIS_TONES, rng.random()),
    )


def _draw_brows(rng: np.random.Generator, masculine: float, hair_colour: np.ndarray) -> Brows:
    return Brows(
        above_eye=_around(rng, 4.0 - 0.6 * masculine, 0.5),
        inner=_around(rng, 3.0, 0.5),
        outer=_around(rng, 10.8, 0.7),
        arch=_around(rng, 0.9 - 0.5 * masculine, 0.4),
        slant=_around(rng, 0.0, 0.6),
        thickness=_around(rng, 0.75 + 0.35 * masculine, 0.22),
        colour=hair_colour * rng.uniform(0.45, 0.85),
    )


def _draw_mouth(rng: np.random.Generator, masculine: float, skin: np.ndarray) -> Mouth:
    redness = rng.beta(1.2, 1.5 + 2.0 * masculine)
    lips = skin * np.array([0.86, 0.66, 0.64]) * (1.0 - redness) + np.array([176, 44, 56]) * redness
    return Mouth(
        y=_around(rng, 11.6, 0.8),
        half_width=_around(rng, 5.6, 0.6),
        upper_lip=_around(rng, 1.15 - 0.3 * masculine, 0.25),
        lower_lip=_around(rng, 1.6 - 0.3 * masculine, 0.3),
        bend=_around(rng, 0.0, 0.35),
        colour=lips.astype(np.float32),
    )


def _draw_hair(rng: np.random.Generator, masculine: float, head: Head, colour: np.ndarray) -> Hair:
    is_long = rng.random() > 0.15 + 0.8 * masculine
    return Hair(
        bald=bool(rng.random() < 0.14 * masculine),
        volume=rng.uniform(1.5, 5.0) if is_long else rng.uniform(0.3, 2.4),
        bottom_y=rng.uniform(2.0, 32.0) if is_long else rng.uniform(-12.0, -4.0),
        hairline_y=head.crown_y + rng.uniform(4.0, 11.5),
        receding=rng.beta(1.0, 2.5) * (0.3 + 0.7 * masculine),
        parting=_around(rng, 0.0, 5.0),
        sweep=_around(rng, 0.0, 1.6),
        colour=colour,
    )


def _draw_beard(rng: np.random.Generator, masculine: float) -> Beard:
    if masculine < 0.5:
        return Beard(cheeks=0.0, moustache=0.0)
    return Beard(
        cheeks=rng.beta(0.4, 1.0) * 0.9 if rng.random() < 0.5 else 0.0,
        moustache=rng.beta(0.4, 0.8) * 0.9 if rng.random() < 0.4 else 0.0,
    )
