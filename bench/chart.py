# SPDX-License-Identifier: BSD-2-Clause
"""The chart of bench/ops.py's results: for each operation Keel's cost as a part of stock KVM's.

`chart.py ops.json ops.svg` draws it again without measuring.
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
# The same results make the same file; text stays text.
matplotlib.rcParams["svg.hashsalt"] = "keel"
matplotlib.rcParams["svg.fonttype"] = "none"

from matplotlib import pyplot  # noqa: E402

KVM_COLOUR, KEEL_COLOUR, MISS_COLOUR, TARGET_COLOUR = "#b8bfc9", "#1f6fb2", "#c8553d", "#222222"
BAR = 0.38
RIGHT_EDGE = 2.0  # of the axis, times stock KVM; a longer bar is cut and says its value


def configurations(results):
    """[[results of one host kernel and CPU model]], in their order."""
    groups = {}
    for result in results:
        groups.setdefault((result["kernel"], result["cpu"]), []).append(result)
    return list(groups.values())


def short(value):
    for limit, divisor, unit in ((1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if value >= limit:
            return f"{value / divisor:,.1f}{unit}"
    return f"{value:,.0f}"


def draw_operation(axes, at, result):
    kvm, keel, target = result["kvm"], result["keel"], result["target"]
    ratio = min(keel / kvm, RIGHT_EDGE)
    colour = MISS_COLOUR if result["verdict"] == "MISS" else KEEL_COLOUR
    axes.barh(at - BAR / 2, 1, BAR, color=KVM_COLOUR)
    axes.barh(at + BAR / 2, ratio, BAR, color=colour)
    axes.text(1.01, at - BAR / 2, short(kvm), va="center", fontsize=7, color="#555555")
    # A mark just behind the bar's end would lie on the value.
    mark = target / kvm if target is not None and result["target_is"] != "stock KVM" else 0
    beside = mark if ratio < mark < ratio + 0.3 else ratio
    label = short(keel) + (f" (× {keel / kvm:.1f})" if keel / kvm > RIGHT_EDGE else "")
    axes.text(beside + 0.02, at + BAR / 2, label, va="center", fontsize=7, color=colour, weight="bold")
    if 0 < mark <= RIGHT_EDGE:
        axes.plot([mark] * 2, [at - 0.02, at + BAR + 0.02], color=TARGET_COLOUR, linewidth=1.6)


def draw_configuration(axes, results):
    for at, result in enumerate(results):
        draw_operation(axes, at, result)
    axes.set_yticks(range(len(results)), [result["title"] for result in results], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, RIGHT_EDGE + 0.35)
    axes.axvline(1, color=KVM_COLOUR, linewidth=0.8, zorder=0)
    axes.set_xlabel("times stock KVM", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"-cpu {results[0]['cpu']}, host kernel {results[0]['kernel']}", fontsize=9, loc="left")


def add_legend(figure):
    patch, line = matplotlib.patches.Patch, matplotlib.lines.Line2D
    handles = [
        patch(color=KVM_COLOUR, label="stock KVM"),
        patch(color=KEEL_COLOUR, label="Keel"),
        patch(color=MISS_COLOUR, label="Keel, target missed"),
        line([], [], color=TARGET_COLOUR, linewidth=1.6, label="target (where there is none: stock KVM)"),
    ]
    figure.legend(handles=handles, loc="lower center", ncols=4, fontsize=8, frameon=False)


def draw(results, path):
    # The guest's empty loop says nothing in a chart.
    groups = [[r for r in group if r["operation"] != "nothing"] for group in configurations(results)]
    columns = min(len(groups), 3)
    rows = -(-len(groups) // columns)
    height = 0.42 * len(groups[0]) + 0.9
    figure, grid = pyplot.subplots(rows, columns, squeeze=False, figsize=(8 * columns, height * rows + 0.8))
    for axes, group in zip(grid.flat, groups):
        draw_configuration(axes, group)
    figure.suptitle("Instructions for one operation of a virtual machine", fontsize=11)
    add_legend(figure)
    figure.tight_layout(rect=(0, 0.4 / (height * rows + 0.8), 1, 1))
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2])
