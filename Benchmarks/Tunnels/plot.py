"""The result as a picture: a bar a measurement, as long as its ratio to the reference."""

import html
import math

from Benchmarks.Tunnels.report import name_of

ROW, LEFT, WIDTH, RIGHT = 22, 380, 520, 120


def plot(lines, file_name):
    """Writes an SVG. The scale is logarithmic; the line in the middle is the reference."""
    lines = [line for line in lines if line["ratio"]]
    reach = max(1.0, *(abs(math.log2(line["ratio"])) for line in lines))
    height = ROW * (len(lines) + 2)
    middle = LEFT + WIDTH / 2
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" '
             f'height="{height}" font-family="sans-serif" font-size="12">',
             f'<line x1="{middle}" y1="0" x2="{middle}" y2="{height - ROW}" stroke="#888"/>',
             f'<text x="{middle}" y="{height - 6}" text-anchor="middle">reference</text>']
    for index, line in enumerate(lines):
        length = math.log2(line["ratio"]) / reach * WIDTH / 2
        top = ROW * index + 4
        left = middle + min(length, 0)
        label = f'{line["value"]:g} {line["unit"]} ({line["ratio"]:g})'
        parts += [
            f'<text x="{LEFT - 8}" y="{top + 12}" text-anchor="end">'
            f'{html.escape(name_of(line))}</text>',
            f'<rect x="{left:.1f}" y="{top}" width="{max(abs(length), 1):.1f}" '
            f'height="{ROW - 8}" fill="#2b6cb0"/>',
            f'<text x="{max(left + abs(length), middle) + 4:.1f}" y="{top + 12}">'
            f'{html.escape(label)}</text>']
    with open(file_name, "w") as file:
        file.write("\n".join(parts + ["</svg>", ""]))
