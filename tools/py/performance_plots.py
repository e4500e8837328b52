"""Times the network over volume sizes and threads, and plots time and peak memory.

    cargo build --release
    python tools/py/performance_plots.py docs/performance.svg [--runs 3] [--under "taskset -c 0,1"]

Both shipped models of base 16, `endocast bench`, every point a process of its own: the median time of a
run, and the peak resident memory of the process. Sizes are measured on the most threads, threads on 128^3.
Prints the figures as a table.
"""

import argparse
import json
import os
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENDOCAST = ROOT / "target/release/endocast"
MODELS = {"f32": "endocast.model", "int8": "endocast-int8.model"}
COLOURS = {"f32": "#1f5fa8", "int8": "#c4561b"}
EDGES = [64, 96, 128, 160, 192]
PANEL = (300, 200)
MARGIN = (62, 40)


def measure(options, model, edge, threads):
    """Median seconds of a run and peak MB of the process."""
    command = [ENDOCAST, "bench", "--model", ROOT / "weights" / MODELS[model], "--grid", edge,
               "--threads", threads, "--runs", options.runs, "--json", "-"]
    command = shlex.split(options.under) + [str(word) for word in command]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    report = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"endocast failed on {edge}^3")
    return json.loads(report)["seconds_median"], usage.ru_maxrss * 1024 / 1e6


def step(largest):
    """A round distance between some five lines of a grid that reaches `largest`."""
    power = 10 ** (len(str(int(largest * 1000))) - 4)
    return next(power * n for n in (0.2, 0.5, 1, 2, 5, 10) if largest <= power * n * 6)


def panel(origin, title, ticks, series):
    """SVG of one diagram; `ticks` are positions and labels, `series` maps a name to points."""
    (left, top), (width, height) = origin, PANEL
    positions = [position for position, _ in ticks]
    largest = max(y for points in series.values() for _, y in points)
    distance = step(largest)
    lines = int(-(-largest // distance))
    first, last = min(positions), max(positions)
    span = (last - first) * 1.1
    across = lambda x: left + width * (0.05 + (x - first) / span)
    down = lambda y: top + height * (1 - y / (lines * distance))
    parts = [f'<text x="{left}" y="{top - 12}" class="title">{title}</text>']
    for n in range(lines + 1):
        y = down(n * distance)
        parts.append(f'<path d="M{left} {y:.1f}h{width}" class="grid"/>'
                     f'<text x="{left - 6}" y="{y + 4:.1f}" class="y">{n * distance:g}</text>')
    for position, label in ticks:
        parts.append(f'<text x="{across(position):.1f}" y="{top + height + 16}" class="x">{label}</text>')
    for name, points in series.items():
        path = "L".join(f"{across(x):.1f} {down(y):.1f}" for x, y in points)
        parts.append(f'<path d="M{path}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
        parts += [f'<circle cx="{across(x):.1f}" cy="{down(y):.1f}" r="3" fill="{COLOURS[name]}"/>'
                  for x, y in points]
        x, y = points[-1]
        parts.append(f'<text x="{across(x) + 6:.1f}" y="{down(y) - 5:.1f}" '
                     f'fill="{COLOURS[name]}">{name}</text>')
    return "\n".join(parts)


def plot(sizes, threads):
    """The four diagrams."""
    edges = [(edge ** 3, f"{edge}³") for edge in EDGES]
    counts = [(count, str(count)) for count in sorted({count for _, count in threads})]
    panels = []
    for row, (figure, unit) in enumerate([("time", "s"), ("peak memory", "MB")]):
        by_size = {model: [(edge ** 3, sizes[model, edge][row]) for edge in EDGES] for model in MODELS}
        by_threads = {model: [(count, threads[model, count][row]) for count, _ in counts]
                      for model in MODELS}
        top = MARGIN[1] + row * (PANEL[1] + 70)
        most = counts[-1][0]
        panels.append(panel((MARGIN[0], top), f"{figure}, {unit}: volume, {most} threads", edges, by_size))
        left = MARGIN[0] + PANEL[0] + 80
        panels.append(panel((left, top), f"{figure}, {unit}: threads, 128³", counts, by_threads))
    width, height = 2 * PANEL[0] + MARGIN[0] + 140, 2 * PANEL[1] + MARGIN[1] + 100
    style = ("text{font:12px sans-serif;fill:#444}.title{font-weight:bold}.x{text-anchor:middle}"
             ".y{text-anchor:end}.grid{stroke:#ddd;fill:none}")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">\n'
            f'<style>{style}</style>\n<rect width="100%" height="100%" fill="#fff"/>\n'
            + "\n".join(panels) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("svg", type=Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--under", default="", help="command that every measurement runs under")
    options = parser.parse_args()
    sizes = {(model, edge): measure(options, model, edge, options.threads)
             for edge in EDGES for model in MODELS}
    threads = {(model, count): measure(options, model, 128, count)
               for count in range(1, options.threads) for model in MODELS}
    threads |= {(model, options.threads): sizes[model, 128] for model in MODELS}
    options.svg.write_text(plot(sizes, threads))
    print("| voxels | threads | f32 s | f32 MB | int8 s | int8 MB |\n|---|---|---|---|---|---|")
    rows = [(edge, options.threads, sizes) for edge in EDGES]
    rows += [(128, count, threads) for count in range(1, options.threads)]
    for edge, count, figures in rows:
        key = count if figures is threads else edge
        cells = [f"{s:.2f} | {mb:.0f}" for s, mb in (figures[model, key] for model in MODELS)]
        print(f"| {edge}³ | {count} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
