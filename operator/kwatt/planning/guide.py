"""Advice for opening nodes where the watts of budgets are scarce."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kwatt.planning.layout import Ints


class Guide(NamedTuple):
    """What to know of nodes, all by node.

    `surcharges` are the milliwatts that an NPU costs besides its draw, as its budgets' watts are worth
    something to others. Nodes that are `spare` come last. `planned` are milliwatts, those of spare nodes 0.
    """

    surcharges: Ints
    spare: npt.NDArray[np.bool_]
    planned: Ints
