"""The assignment of controls to patients with the smallest sum of distances."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linear_sum_assignment, linprog, milp
from scipy.sparse import coo_array, csr_array

__all__ = ["assign"]

_Indices = NDArray[np.intp]
_Floats = NDArray[np.float64]
#: Reduced costs above this are not rounding errors.
_TOLERANCE = 1e-9


def assign(distances: _Floats, ratio: int) -> tuple[_Indices, _Indices]:
    """Assign `ratio` controls to each of as many patients as possible, with the smallest sum of distances.

    Parameters
    ----------
    distances
        The distance of each patient (row) to each control (column).
    ratio
        The number of controls of each patient, at most the number of columns.

    Returns
    -------
    tuple of numpy.ndarray
        The patients, increasing, and their controls ``(patient, ratio)``.

    Examples
    --------
    >>> chosen, controls = assign(np.array([[1.0, 9.0, 2.0], [1.0, 3.0, 9.0]]), 1)
    >>> chosen.tolist(), controls.tolist()
    ([0, 1], [[2], [0]])
    """
    n_patients, n_controls = distances.shape
    chosen: _Indices = np.arange(n_patients)
    if ratio > 1 and ratio * n_patients > n_controls:
        chosen = _choose_patients(distances, ratio)
    rows, columns = linear_sum_assignment(np.repeat(distances[chosen], ratio, axis=0))
    # With one control each, only as many rows are assigned as there are controls.
    return chosen[rows[::ratio] // ratio], columns.reshape(-1, ratio)


def _choose_patients(distances: _Floats, ratio: int) -> _Indices:
    """Choose the patients, as many as there are controls for, whose assignment has the smallest sum.

    Each patient gets all their controls or none, which is an integer program.  It is solved over near pairs,
    and then over all that can improve the sum: a solution with a certain pair costs at least the linear
    relaxation and the reduced cost of that pair.
    """
    allowed = _near_pairs(distances, ratio)
    program = _Program.of(distances, allowed, ratio)
    bound, reduced = program.relax()
    while (missing := ~allowed & (reduced < -_TOLERANCE)).any():
        allowed |= missing
        program = _Program.of(distances, allowed, ratio)
        bound, reduced = program.relax()
    cost, chosen = program.solve()
    improving = ~allowed & (reduced < cost - bound)
    return _Program.of(distances, allowed | improving, ratio).solve()[1] if improving.any() else chosen


def _near_pairs(distances: _Floats, ratio: int) -> NDArray[np.bool_]:
    """Return the nearest pairs of each patient and control, and those of one complete assignment."""
    n_controls = distances.shape[1]
    n_near = 2 * ratio + 4
    nearest = np.argsort(np.argsort(distances, axis=1), axis=1) < n_near
    nearest |= np.argsort(np.argsort(distances, axis=0), axis=0) < n_near
    some = np.sort(np.argsort(np.sort(distances, axis=1)[:, :ratio].sum(axis=1))[: n_controls // ratio])
    rows, columns = linear_sum_assignment(np.repeat(distances[some], ratio, axis=0))
    nearest[some[rows // ratio], columns] = True
    return nearest


@dataclass(frozen=True, slots=True)
class _Program:
    """The program: a variable per allowed pair, then one per patient, which tells whether they are chosen."""

    distances: _Floats
    costs: _Floats
    #: The controls of a patient are `ratio` times whether they are chosen, and so many are chosen.
    equal: csr_array
    n_chosen: _Floats
    #: A control has one patient at most, and a patient who is not chosen has no control.
    at_most: csr_array
    limits: _Floats

    @classmethod
    def of(cls, distances: _Floats, allowed: NDArray[np.bool_], ratio: int) -> "_Program":
        """Build the program of the allowed pairs."""
        n_patients, n_controls = distances.shape
        patient, control = np.nonzero(allowed)
        pair, each = np.arange(patient.size), np.arange(n_patients)
        shape = (n_patients + 1, pair.size + n_patients)
        rows = np.concatenate([patient, each, np.full(n_patients, n_patients)])
        columns = np.concatenate([pair, pair.size + each, pair.size + each])
        entries = np.concatenate([np.ones(pair.size), np.full(n_patients, -ratio), np.ones(n_patients)])
        equal = csr_array(coo_array((entries, (rows, columns)), shape=shape))
        # The second condition follows from the others for whole numbers, and makes the relaxation tighter.
        rows = np.concatenate([control, n_controls + pair, n_controls + pair])
        columns = np.concatenate([pair, pair, pair.size + patient])
        entries = np.concatenate([np.ones(2 * pair.size), -np.ones(pair.size)])
        at_most = coo_array((entries, (rows, columns)), shape=(n_controls + pair.size, shape[1]))
        limits = np.concatenate([np.ones(n_controls), np.zeros(pair.size)])
        costs = np.concatenate([distances[allowed], np.zeros(n_patients)])
        n_chosen = np.append(np.zeros(n_patients), n_controls // ratio)
        return cls(distances, costs, equal, n_chosen, csr_array(at_most), limits)

    def relax(self) -> tuple[float, _Floats]:
        """Solve the linear relaxation; return its sum and the reduced cost of each pair, allowed or not."""
        n_pairs = self.costs.size - self.distances.shape[0]
        upper = np.where(np.arange(self.costs.size) < n_pairs, np.inf, 1.0)
        solved: Any = linprog(  # type: ignore[call-overload]  # scipy-stubs knows no sparse matrices here
            self.costs,
            A_ub=self.at_most,
            b_ub=self.limits,
            A_eq=self.equal,
            b_eq=self.n_chosen,
            bounds=np.stack([np.zeros(upper.size), upper], axis=1),
        )
        of_controls = solved.ineqlin.marginals[: self.distances.shape[1]]
        prices = solved.eqlin.marginals[:-1, np.newaxis] + of_controls
        return float(solved.fun), self.distances - prices

    def solve(self) -> tuple[float, _Indices]:
        """Solve the integer program; return its sum and the chosen patients."""
        n_pairs = self.costs.size - self.distances.shape[0]
        solved: Any = milp(
            self.costs,
            integrality=(np.arange(self.costs.size) >= n_pairs).astype(int),
            bounds=Bounds(0, 1),
            constraints=[
                LinearConstraint(self.equal, self.n_chosen, self.n_chosen),
                LinearConstraint(self.at_most, -np.inf, self.limits),
            ],
            options={"mip_rel_gap": 0},
        )
        return float(solved.fun), np.flatnonzero(solved.x[n_pairs:] > 1 / 2)
