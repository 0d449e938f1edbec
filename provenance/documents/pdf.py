"""One plain layout for all our papers: a title, headings, paragraphs, facts and tables.

The same input gives the same bytes. Latin is set in Bitstream Vera, which travels with reportlab;
Chinese, Japanese and Korean in the fonts that every PDF reader has; a sign that neither has is
written by its number, never dropped.
"""

from __future__ import annotations

import io
from collections.abc import Container, Iterable, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import reportlab
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

INK, FAINT, RULE = (
    colors.HexColor("#16202a"),
    colors.HexColor("#5a6772"),
    colors.HexColor("#c9d1d8"),
)
HAN, HANGUL = "STSong-Light", "HYSMyeongJo-Medium"
# Longer tables belong into the CSV beside the paper.
LONGEST_TABLE = 2_000


class Paper:
    """A document that is written from top to bottom, then asked for its bytes."""

    def __init__(self, title: str, *, subtitle: str = "") -> None:
        self._title = title
        self._flow: list[Any] = [Paragraph(marked(title), _style("title"))]
        if subtitle:
            self._flow.append(Paragraph(marked(subtitle), _style("faint")))

    def translation_note(self) -> None:
        """Say, in any other language, that the English is what counts."""
        if not (get_language() or "en").startswith("en"):
            self.text(_("This paper is a translation: where it differs, the English counts."))

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._flow.append(Paragraph(marked(text), _style("heading")))

    def text(self, text: str) -> None:
        """Add a paragraph; line breaks stay."""
        lines = "<br/>".join(marked(line) for line in text.split("\n"))
        self._flow.append(Paragraph(lines, _style("body")))

    def points(self, texts: Iterable[str]) -> None:
        """Add a list."""
        for text in texts:
            self._flow.append(Paragraph(marked(text), _style("point"), bulletText="•"))

    def facts(self, facts: Iterable[tuple[str, object]]) -> None:
        """Add names with their values."""
        rows = [
            [
                Paragraph(marked(name), _style("faint")),
                Paragraph(marked(str(value)), _style("cell")),
            ]
            for name, value in facts
        ]
        table = Table(rows, colWidths=[42 * mm, 128 * mm])
        table.setStyle(_lines())
        self._flow += [table, Spacer(0, 3 * mm)]

    def table(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[object]],
        *,
        parts: Sequence[float] = (),
        numbers: Container[int] = (),
    ) -> None:
        """Add a table; a very long one is cut, and says so.

        `parts` are the columns' widths, as parts of their sum (alike unless said); columns in
        `numbers` are set to the right.
        """
        styles = [
            (_style("faint_number"), _style("number"))
            if place in numbers
            else (_style("faint"), _style("cell"))
            for place in range(len(header))
        ]
        cells = [
            [
                Paragraph(marked(name), style)
                for name, (style, _) in zip(header, styles, strict=True)
            ]
        ]
        cells += [
            [
                Paragraph(marked(str(value)), style)
                for value, (_, style) in zip(row, styles, strict=True)
            ]
            for row in rows[:LONGEST_TABLE]
        ]
        widths = parts or [1] * len(header)
        table = Table(
            cells, colWidths=[170 * mm * width / sum(widths) for width in widths], repeatRows=1
        )
        table.setStyle(_lines())
        self._flow.append(table)
        if len(rows) > LONGEST_TABLE:
            left = f"{len(rows) - LONGEST_TABLE:,}"
            self.text(_("And %(count)s more rows: see the CSV.") % {"count": left})

    def beside(self, *blocks: tuple[str, Sequence[str]]) -> None:
        """Add blocks side by side: each a small heading and its lines."""
        cells = [
            [
                Paragraph(marked(title), _style("faint")),
                *(Paragraph(marked(line), _style("block")) for line in lines),
            ]
            for title, lines in blocks
        ]
        table = Table([cells], colWidths=[170 * mm / len(blocks)] * len(blocks))
        table.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP")]))
        self._flow += [Spacer(0, 2 * mm), table, Spacer(0, 5 * mm)]

    def sums(self, rows: Sequence[tuple[str, str]]) -> None:
        """Add sums below a table, at its right end; the last stands out."""
        cells = [
            [
                Paragraph(marked(name), _style("strong" if is_last else "cell")),
                Paragraph(marked(value), _style("strong_number" if is_last else "number")),
            ]
            for place, (name, value) in enumerate(rows, start=1)
            for is_last in [place == len(rows)]
        ]
        table = Table(cells, colWidths=[50 * mm, 35 * mm], hAlign="RIGHT")
        table.setStyle(
            TableStyle(
                [
                    ("VALIGN", (0, 0), (-1, -1), "BOTTOM"),
                    ("LINEABOVE", (0, -1), (-1, -1), 0.8, INK),
                    ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
                ]
            )
        )
        self._flow += [Spacer(0, 2 * mm), KeepTogether([table]), Spacer(0, 4 * mm)]

    def bytes(self) -> bytes:
        """The PDF."""
        out = io.BytesIO()
        document = SimpleDocTemplate(
            out,
            pagesize=A4,
            title=self._title,
            author="Tallymark",
            leftMargin=20 * mm,
            rightMargin=20 * mm,
            topMargin=20 * mm,
            bottomMargin=20 * mm,
            invariant=1,
        )
        document.build(self._flow, onFirstPage=_footer, onLaterPages=_footer)
        return out.getvalue()


def marked(text: str) -> str:
    """`text` as reportlab's markup, each sign in a font that has it."""
    _fonts()
    parts = []
    for font, signs in groupby(text, key=_font_of):
        run = "".join(signs)
        if font == "":
            parts.append(escape("".join(f"[U+{ord(sign):04X}]" for sign in run)))
        elif font == "Vera":
            parts.append(escape(run))
        else:
            parts.append(f'<font name="{font}">{escape(run)}</font>')
    return "".join(parts)


def _font_of(sign: str) -> str:
    """The font that has `sign`; empty where none has."""
    if ord(sign) in _fonts() or sign.isspace():
        return "Vera"
    point = ord(sign)
    if 0xAC00 <= point <= 0xD7A3 or 0x1100 <= point <= 0x11FF:
        return HANGUL
    if 0x3000 <= point <= 0x30FF or 0x4E00 <= point <= 0x9FA5 or 0xFF00 <= point <= 0xFFEF:
        return HAN
    return ""


@cache
def _fonts() -> frozenset[int]:
    """Register the fonts; the code points that Vera has."""
    folder = Path(reportlab.__file__).parent / "fonts"
    for name, file in (("Vera", "Vera.ttf"), ("VeraBd", "VeraBd.ttf")):
        pdfmetrics.registerFont(TTFont(name, str(folder / file)))
    for name in (HAN, HANGUL):
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    return frozenset(pdfmetrics.getFont("Vera").face.charToGlyph)


@cache
def _style(name: str) -> ParagraphStyle:
    _fonts()
    body = ParagraphStyle(
        "body", fontName="Vera", fontSize=9.5, leading=14, textColor=INK, spaceAfter=6
    )
    styles = {
        "body": body,
        "title": ParagraphStyle("title", body, fontName="VeraBd", fontSize=17, leading=23),
        "heading": ParagraphStyle("heading", body, fontName="VeraBd", fontSize=11, spaceBefore=10),
        "faint": ParagraphStyle("faint", body, fontSize=8, leading=11, textColor=FAINT),
        "cell": ParagraphStyle("cell", body, fontSize=8, leading=11, wordWrap="CJK"),
        "number": ParagraphStyle("number", body, fontSize=8, leading=11, alignment=TA_RIGHT),
        "faint_number": ParagraphStyle(
            "faint_number", body, fontSize=8, leading=11, textColor=FAINT, alignment=TA_RIGHT
        ),
        "block": ParagraphStyle("block", body, leading=13, spaceAfter=0),
        "strong": ParagraphStyle("strong", body, fontName="VeraBd", fontSize=9, leading=12),
        "strong_number": ParagraphStyle(
            "strong_number", body, fontName="VeraBd", fontSize=9, leading=12, alignment=TA_RIGHT
        ),
        "point": ParagraphStyle("point", body, leftIndent=12, bulletIndent=2, spaceAfter=3),
    }
    return styles[name]


def _lines() -> TableStyle:
    return TableStyle(
        [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE)]
    )


def _footer(canvas: Any, document: Any) -> None:
    canvas.setFont("Vera", 7)
    canvas.setFillColor(FAINT)
    canvas.drawString(20 * mm, 11 * mm, "Tallymark")
    canvas.drawRightString(190 * mm, 11 * mm, str(document.page))
