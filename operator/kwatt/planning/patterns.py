"""Patterns: which sizes of replicas fill a node together, and so what a replica of each size really takes.

Where sizes do not divide each other a node is not as many replicas as it has NPUs: of 8 NPUs two replicas
of 3 leave 2 to nobody, so each of them takes 4; beside one of 5 it takes 3. What replicas take is worth the
least number of nodes for all of them: the dual of the cutting-stock program (Gilmore and Gomory, 1961).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

MOST_PATTERNS: Final = 200
_STEPS: Final = 500


def parts_of_node(npus: int, wanted: Mapping[int, int]) -> dict[int, Fraction] | None:
    """Return the part of a node with so many NPUs that a replica of each size takes.

    `wanted` are replicas by size. No pattern takes more than a whole node; of all such parts these need
    most nodes for what is wanted, which is the least number that these need. None where patterns are too many.
    """
    sizes = sorted(size for size in wanted if 0 < size <= npus)
    patterns = _patterns(npus, sizes)
    if len(patterns) > MOST_PATTERNS:
        return None
    parts = _most(patterns, [wanted[size] for size in sizes])
    return dict(zip(sizes, parts, strict=True))


def _patterns(npus: int, sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the numbers of replicas of each size with which a node takes no other one; or too many."""
    found: list[tuple[int, ...]] = []
    least = min(sizes, default=1)

    def extend(counts: tuple[int, ...], left: int) -> None:
        place = len(counts)
        if len(found) > MOST_PATTERNS:
            return
        if place == len(sizes):
            if left < least:
                found.append(counts)
            return
        for count in range(left // sizes[-1 - place], -1, -1):
            extend((*counts, count), left - count * sizes[-1 - place])

    extend((), npus)
    return [counts[::-1] for counts in found]


def _most(rows: Sequence[Sequence[int]], worth: Sequence[int]) -> list[Fraction]:
    """Return the x of 0 or more with most worth for which no row times x is more than 1.

    The simplex method with Bland's rule, in exact fractions. `table` has a row per variable in `basis` and
    at last one for the worth; its columns are those in `others`, and at last the values.
    """
    count = len(worth)
    table = [[Fraction(v) for v in (*row, 1)] for row in rows]
    table.append([Fraction(-v) for v in (*worth, 0)])
    others, basis = list(range(count)), list(range(count, count + len(rows)))
    for _ in range(_STEPS):
        gaining = [(others[j], j) for j in range(count) if table[-1][j] < 0]
        if not gaining:
            break
        enters = min(gaining)[1]
        rising = [i for i in range(len(rows)) if table[i][enters] > 0]
        leaves = min(rising, key=lambda i: (table[i][-1] / table[i][enters], basis[i]))
        table = _pivoted(table, leaves, enters)
        basis[leaves], others[enters] = others[enters], basis[leaves]
    values = {variable: table[i][-1] for i, variable in enumerate(basis)}
    return [values.get(variable, Fraction(0)) for variable in range(count)]


def _pivoted(table: Sequence[Sequence[Fraction]], at: int, column: int) -> list[list[Fraction]]:
    """Return the table after the variables of a row and a column have changed places."""
    pivot = table[at][column]
    row = [value / pivot for value in table[at]]
    row[column] = 1 / pivot
    found: list[list[Fraction]] = []
    for old in table:
        factor = old[column]
        new = [v - factor * r for v, r in zip(old, row, strict=True)] if factor else list(old)
        new[column] = -factor / pivot
        found.append(new)
    found[at] = row
    return found
