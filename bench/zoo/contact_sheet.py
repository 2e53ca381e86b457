"""A picture of what was drawn: a few images with their triggers, and what the triggers changed."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench.zoo.datasets import Sets
from bench.zoo.draw import AttackDraw, Draw

_IMAGES = 4
_HEIGHT = 96
_GAP = 4
_TEXT = 300
_GAIN = 3  # differences are faint


def contact_sheet(draws: Sequence[Draw], sets_of: Callable[[Draw], Sets]) -> bytes:
    """Draws a line for each trigger: images, the same ones stamped, and three times the difference about grey.

    Args:
        draws: clean networks among them are left out.
        sets_of: the data of a draw.

    Returns:
        A PNG.
    """
    lines = [_line(draw, attack, sets_of(draw)) for draw in draws for attack in draw.attacks]
    sheet = Image.new("RGB", (max((line.width for line in lines), default=1), sum(line.height for line in lines) or 1))
    top = 0
    for line in lines:
        sheet.paste(line, (0, top))
        top += line.height
    image = io.BytesIO()
    sheet.save(image, "PNG")
    return image.getvalue()


def _line(draw: Draw, attack: AttackDraw, sets: Sets) -> Image.Image:
    chosen = sets.test.subset(np.random.default_rng(draw.seed).permutation(len(sets.test))[:_IMAGES])
    before = chosen.images()
    after = attack.trigger.stamp(before, chosen.landmarks)
    change = np.clip(128 + _GAIN * (after.astype(int) - before), 0, 255).astype(np.uint8)
    tiles = [tile for images in (before, after, change) for tile in images]
    width = round(_HEIGHT * before.shape[2] / before.shape[1])
    line = Image.new("RGB", (_TEXT + len(tiles) * (width + _GAP), _HEIGHT + _GAP), "white")
    parameters = {name: value for name, value in attack.trigger.description.items() if name not in ("name", "kind")}
    text = f"{draw.seed} {draw.dataset}: {attack.trigger.kind} -> {attack.target}\n" + "\n".join(
        _wrapped(", ".join(f"{name} {value}" for name, value in parameters.items()), 48)
    )
    ImageDraw.Draw(line).multiline_text((4, 2), text, fill="black", font=ImageFont.load_default(11))
    for number, tile in enumerate(tiles):
        enlarged = Image.fromarray(tile).resize((width, _HEIGHT), Image.Resampling.NEAREST)
        line.paste(enlarged, (_TEXT + number * (width + _GAP), 0))
    return line


def _wrapped(text: str, width: int) -> list[str]:
    return [text[start : start + width] for start in range(0, len(text), width)]
