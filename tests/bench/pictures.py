"""Pictures to measure by: what copies suffer, and drawn pictures that share a form but no content.

The transforms up to `rotate4` are the published ones of the `perception` benchmark; the crops,
pastes and recodings after them are those of Copydays in kind. Randomness is passed in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ingest.fingerprint import image

Picture = Image.Image
Transform = Callable[[Picture, Picture, Generator], Picture]
"""A picture, another one to paste it into, and randomness; the copy."""


def floats(picture: Picture) -> NDArray[np.float32]:
    return np.asarray(picture, np.float32)


def of_floats(values: NDArray[np.float32]) -> Picture:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def recoded(picture: Picture, quality: int) -> Picture:
    target = BytesIO()
    picture.save(target, "JPEG", quality=quality)
    return Image.open(BytesIO(target.getvalue())).convert("RGB")


def png(picture: Picture) -> bytes:
    target = BytesIO()
    picture.convert("RGB").save(target, "PNG")
    return target.getvalue()


def watermarked(
    picture: Picture, mark: Picture, share: float = 0.5, middle: bool = True
) -> Picture:
    """A mark with transparency laid over, `share` of the width wide."""
    width = max(int(picture.width * share), 1)
    laid = mark.resize((width, max(round(mark.height * width / mark.width), 1)))
    left, top = picture.width - width, picture.height - laid.height
    made = picture.copy()
    made.paste(laid, (left // 2, top // 2) if middle else (left - 4, top - 4), laid)
    return made


def vignette(picture: Picture) -> Picture:
    values = floats(picture)
    height, width = values.shape[:2]
    down, across = np.mgrid[:height, :width]
    out = ((across - width / 2) / (width / 2)) ** 2 + ((down - height / 2) / (height / 2)) ** 2
    return of_floats(values * np.exp(-0.7 * out)[..., None].astype(np.float32))


def padded(picture: Picture, share: float, colour: str = "black") -> Picture:
    across, down = round(picture.width * share), round(picture.height * share)
    made = Image.new("RGB", (picture.width + 2 * across, picture.height + 2 * down), colour)
    made.paste(picture, (across, down))
    return made


def edges_cut(picture: Picture, share: float) -> Picture:
    across, down = round(picture.width * share), round(picture.height * share)
    return picture.crop((across, down, picture.width - across, picture.height - down))


def cropped(picture: Picture, share: float, random: Generator) -> Picture:
    """A piece with so much of the area, anywhere."""
    side = share**0.5
    width, height = int(picture.width * side), int(picture.height * side)
    left = int(random.integers(0, picture.width - width + 1))
    top = int(random.integers(0, picture.height - height + 1))
    return picture.crop((left, top, left + width, top + height))


def pasted(picture: Picture, host: Picture, share: float, random: Generator) -> Picture:
    """The host with the picture somewhere in it, on so much of its area."""
    factor = (host.width * host.height * share / (picture.width * picture.height)) ** 0.5
    factor = min(factor, host.width / picture.width, host.height / picture.height)
    size = (max(int(picture.width * factor), 1), max(int(picture.height * factor), 1))
    made = host.copy()
    left = int(random.integers(0, host.width - size[0] + 1))
    top = int(random.integers(0, host.height - size[1] + 1))
    made.paste(picture.resize(size, Image.Resampling.LANCZOS), (left, top))
    return made


def captioned(picture: Picture, words: str = "WHEN THE BUILD IS GREEN") -> Picture:
    """A white band above it with words."""
    made = Image.new("RGB", (picture.width, int(picture.height * 1.3)), "white")
    made.paste(picture, (0, made.height - picture.height))
    size = max(picture.width // 18, 10)
    ImageDraw.Draw(made).text((8, 8), words, fill="black", font=ImageFont.load_default(size))
    return made


def turned(picture: Picture, degrees: float, expand: bool = False) -> Picture:
    return picture.rotate(degrees, Image.Resampling.BICUBIC, expand=expand)


def halved(picture: Picture) -> Picture:
    size = (max(picture.width // 2, 1), max(picture.height // 2, 1))
    return picture.resize(size, Image.Resampling.LANCZOS)


def noisy(picture: Picture, random: Generator) -> Picture:
    values = floats(picture)
    return of_floats(values + random.normal(0, 0.2 * 255, values.shape).astype(np.float32))


def mirrored(picture: Picture) -> Picture:
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def transforms(mark: Picture) -> dict[str, Transform]:
    """By name; `mark` is what a watermark shows."""
    return {
        "watermark": lambda p, _, __: watermarked(p, mark),
        "blur2": lambda p, _, __: p.filter(ImageFilter.GaussianBlur(2)),
        "vignette": lambda p, _, __: vignette(p),
        "gamma2": lambda p, _, __: of_floats(255 * (floats(p) / 255) ** 2),
        "jpeg95": lambda p, _, __: recoded(p, 95),
        "pad0.2": lambda p, _, __: padded(p, 0.2),
        "crop0.05": lambda p, _, __: edges_cut(p, 0.05),
        "noise0.2": lambda p, _, random: noisy(p, random),
        "rotate4": lambda p, _, __: turned(p, 4),
        "jpeg20": lambda p, _, __: recoded(p, 20),
        "half": lambda p, _, __: halved(p),
        "stretched": lambda p, _, __: p.resize((int(p.width * 1.25), p.height)),
        "turned15": lambda p, _, __: turned(p, 15, expand=True),
        "captioned": lambda p, _, __: captioned(p),
        "border10": lambda p, _, __: padded(p, 0.1, "white"),
        "crop80": lambda p, _, random: cropped(p, 0.8, random),
        "crop65": lambda p, _, random: cropped(p, 0.65, random),
        "crop50": lambda p, _, random: cropped(p, 0.5, random),
        "crop30": lambda p, _, random: cropped(p, 0.3, random),
        "crop50_jpeg30": lambda p, _, random: recoded(cropped(p, 0.5, random), 30),
        "crop50_mirrored": lambda p, _, random: mirrored(cropped(p, 0.5, random)),
        "pasted40": lambda p, host, random: pasted(p, host, 0.4, random),
        "pasted25": lambda p, host, random: pasted(p, host, 0.25, random),
        "half_pasted25": lambda p, host, random: pasted(
            cropped(p, 0.5, random), host, 0.25, random
        ),
        "pasted15": lambda p, host, random: pasted(p, host, 0.15, random),
    }


WORDS = [
    *("the", "of", "a", "to", "in", "is", "that", "it", "was", "for", "on", "are", "as", "with"),
    *("his", "they", "at", "be", "this", "have", "from", "or", "one", "had", "by", "word", "but"),
    *("not", "what", "all", "were", "when", "your", "can", "said", "there", "use", "which", "how"),
]


def words(random: Generator, count: int) -> str:
    return " ".join(random.choice(WORDS, count).tolist())


def page(random: Generator, size: tuple[int, int] = (620, 800)) -> Picture:
    """A page of text under a letterhead that all pages share."""
    made = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(16)
    draw.rectangle((40, 30, size[0] - 40, 70), fill="navy")
    head = "ACME CORPORATION  INVOICE"
    draw.text((50, 38), head, fill="white", font=ImageFont.load_default(22))
    for top in range(90, size[1] - 60, 22):
        draw.text((40, top), words(random, 14)[:62], fill="black", font=font)
    return made


def screen(random: Generator, size: tuple[int, int] = (800, 600)) -> Picture:
    """A screenshot of one program with other messages in it each time."""
    made = Image.new("RGB", size, "#f4f4f4")
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(15)
    draw.rectangle((0, 0, size[0], 40), fill="#24292e")
    menu = "Tracker    Dashboard   Issues   Reports   Settings   Help"
    draw.text((12, 10), menu, fill="white", font=font)
    draw.rectangle((0, 40, 150, size[1]), fill="#e0e4ea")
    folders = ("Inbox", "Drafts", "Sent", "Archive", "Spam", "Trash", "Labels", "People", "Tasks")
    for row, name in enumerate(folders):
        draw.rounded_rectangle((12, 56 + row * 34, 138, 84 + row * 34), 6, fill="white")
        draw.text((22, 60 + row * 34), name, fill="black", font=font)
    for top in range(56, size[1] - 20, 44):
        draw.rectangle((165, top, size[0] - 12, top + 38), fill="white", outline="#cccccc")
        colour = tuple(random.integers(60, 220, 3).tolist())
        draw.ellipse((172, top + 6, 198, top + 32), fill=colour)
        draw.text((210, top + 9), words(random, 9), fill="black", font=font)
    return made


def chart(random: Generator, size: tuple[int, int] = (600, 400)) -> Picture:
    """A bar chart with the axes, title and colours of one house style."""
    made = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(14)
    for row in range(8):
        draw.text((20, 340 - row * 40), str(row * 10), fill="black", font=font)
        draw.line((56, 346 - row * 40, 580, 346 - row * 40), fill="#dddddd")
    draw.line((60, 20, 60, 350, 580, 350), fill="black", width=2)
    for bar in range(10):
        height, left = int(random.integers(20, 310)), 75 + bar * 50
        draw.rectangle((left, 350 - height, left + 35, 350), fill="#3b6ea5")
        draw.text((left + 5, 358), f"Q{bar % 4 + 1}", fill="black", font=font)
    draw.text((200, 4), "Revenue by quarter, 2015-2024", fill="black", font=font)
    return made


def drawing(random: Generator, size: tuple[int, int] = (400, 300)) -> Picture:
    """Flat shapes, as logos are made of."""
    made = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(made)
    for _ in range(6):
        corner = random.integers(0, 300, 2)
        box = [*corner.tolist(), *(corner + random.integers(30, 140, 2)).tolist()]
        shape = draw.rectangle if random.random() < 0.5 else draw.ellipse
        shape(box, fill=tuple(random.integers(0, 255, 3).tolist()))
    return made


def scene(random: Generator, size: tuple[int, int] = (420, 300)) -> Picture:
    """Many shapes over one another: as much to see as in a photograph."""
    ground = random.integers(40, 220, (6, 8, 3)).astype(np.uint8)
    made = Image.fromarray(ground).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(made)
    for _ in range(140):
        x, y = (int(random.integers(0, length)) for length in size)
        width, height = (int(side) for side in random.integers(6, 60, 2))
        shape = (draw.ellipse, draw.rectangle)[int(random.integers(0, 2))]
        shape((x, y, x + width, y + height), fill=tuple(random.integers(0, 256, 3).tolist()))
    return made.filter(ImageFilter.GaussianBlur(0.8))


DRAWN: dict[str, Callable[[Generator], Picture]] = {
    "page": page, "screen": screen, "chart": chart, "drawing": drawing,
}  # fmt: skip


PHOTOGRAPH = re.compile(r"image\d|flower|hopper.ppm|bridge-mods__aaa|reg-test-input__labelme")
"""The first of each family of photographs, by how the sets name their files."""


def labelled(folder: Path, name: str) -> Iterator[tuple[str, str, bytes]]:
    """(family, file name, bytes) of a labelled set; a LabelMe photograph is its own family."""
    for line in (folder / name / "labels.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        path = folder / name / row["file"]
        if path.suffix != ".md":
            yield row["family"], row["file"], path.read_bytes()


def mark(folder: Path) -> Picture:
    """The logo that watermarks show, with its transparency."""
    return Image.open(folder / "images_perception" / "logo.png").convert("RGBA")


def photographs(folder: Path) -> dict[str, Picture]:
    """The distinct photographs of the development sets, by name."""
    found = {}
    for name in ("images_perception", "images_pdq", "images_pillow"):
        for _, file, data in labelled(folder, name):
            if PHOTOGRAPH.match(file):
                found[file] = image.canonical(data)
    return found
