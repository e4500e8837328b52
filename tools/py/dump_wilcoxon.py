"""Goldens for the Wilcoxon signed-rank test, computed with SciPy.

Writes tests/data/wilcoxon.txt, one case per line: the statistic, the two-sided p, `exact` or `normal`,
then the paired differences. Exact values with ties come from SciPy's enumeration of all signs, which
limits them to 13 pairs. Made with numpy 2.4.6 and scipy 1.17.1.

usage: dump_wilcoxon.py
"""

from pathlib import Path

import numpy as np
from scipy import stats

OUT = Path(__file__).resolve().parents[2] / "tests" / "data" / "wilcoxon.txt"


def cases():
    """Differences, and the method that must be used."""
    rng = np.random.default_rng(20261124)
    for count in (1, 2, 5, 6, 13, 20, 25):
        yield rng.normal(0.3, 1, count).round(6), "exact"
    for count in (3, 6, 9, 13):
        yield rng.integers(-3, 5, count).astype(float), "exact-ties"
    yield np.array([1.0, -1.0]), "exact-ties"
    for count in (26, 43, 100):
        yield rng.normal(0.2, 1, count).round(6), "normal"
        yield rng.integers(-4, 7, 2 * count).astype(float), "normal"
    yield np.abs(rng.normal(0, 1, 60)).round(6), "normal"


def main():
    lines = []
    for differences, method in cases():
        kept = differences[differences != 0]
        if method == "normal" and len(kept) <= 25:
            raise ValueError("too few differences for the approximation")
        chosen = {
            "exact": "exact",
            "exact-ties": stats.PermutationMethod(n_resamples=np.inf),
            "normal": "asymptotic",
        }[method]
        found = stats.wilcoxon(kept, method=chosen, correction=False)
        numbers = " ".join(f"{value:g}" for value in differences)
        lines.append(f"{found.statistic:g} {found.pvalue:.12g} {method.split('-')[0]} {numbers}")
    OUT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
