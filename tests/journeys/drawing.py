"""Pictures of our own for journeys: drawn anew each time, so that nobody registered them before."""

from __future__ import annotations

import io
import random
import secrets
import zipfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

SIZE = (480, 360)
CROP = (70, 50, 410, 310)


def drawings(count: int) -> list[Image.Image]:
    """Drawings that have nothing in common but their size."""
    return [_drawing(random.Random(secrets.token_hex(8))) for _ in range(count)]


def cropped(picture: Image.Image) -> Image.Image:
    """The middle of a drawing, as somebody cuts it out who leaves the signature off."""
    return picture.crop(CROP)


def zip_of(folder: Path, name: str, pictures: list[Image.Image], form: str = "PNG") -> Path:
    """The pictures as one zip of files."""
    made = folder / f"{name}.zip"
    with zipfile.ZipFile(made, "w") as bundle:
        for at, picture in enumerate(pictures):
            file = io.BytesIO()
            picture.save(file, form, quality=90)
            bundle.writestr(f"{name}-{at}.{form.lower()}", file.getvalue())
    return made


def _drawing(draw: random.Random) -> Image.Image:
    """Hills of colour, with some thirty shapes on them."""
    ground = Image.effect_noise((12, 9), draw.randint(40, 120)).convert("RGB")
    tint = Image.new("RGB", ground.size, tuple(draw.randint(0, 255) for _ in range(3)))
    picture = Image.blend(ground, tint, 0.5).resize(SIZE, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for _ in range(30):
        left, top = draw.randint(-40, SIZE[0] - 20), draw.randint(-40, SIZE[1] - 20)
        box = (left, top, left + draw.randint(15, 140), top + draw.randint(15, 140))
        colour = tuple(draw.randint(0, 255) for _ in range(3))
        shape = draw.choice((pen.ellipse, pen.rectangle, pen.arc))
        if shape == pen.arc:
            pen.arc(box, draw.randint(0, 180), draw.randint(180, 360), fill=colour, width=6)
        else:
            shape(box, fill=colour)
    return picture.filter(ImageFilter.GaussianBlur(1))
