"""Figures that grow, as lines in an SVG picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def draw(path: Path, lines: Mapping[str, Sequence[tuple[float, float]]], caption: str) -> None:
    """Write a picture of named lines over one axis, which `caption` says."""
    from reportlab.graphics import renderSVG
    from reportlab.graphics.charts.lineplots import LinePlot
    from reportlab.graphics.charts.textlabels import Label
    from reportlab.graphics.shapes import Drawing, String
    from reportlab.lib import colors

    drawing, chart = Drawing(640, 360), LinePlot()
    chart.x, chart.y, chart.width, chart.height = 60, 50, 540, 260
    chart.data = [list(points) for points in lines.values()]
    chart.yValueAxis.valueMin = 0
    for at, (name, colour) in enumerate(
        zip(lines, (colors.steelblue, colors.firebrick), strict=False)
    ):
        chart.lines[at].strokeColor = colour
        chart.lines[at].strokeWidth = 2
        drawing.add(String(80, 335 - 14 * at, name, fillColor=colour))
    label = Label()
    label.setOrigin(330, 18)
    label.setText(caption)
    drawing.add(chart)
    drawing.add(label)
    renderSVG.drawToFile(drawing, str(path))
