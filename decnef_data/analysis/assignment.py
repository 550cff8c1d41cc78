"""The assignment of controls to patients with the smallest sum of distances."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linear_sum_assignment, linprog, milp
from scipy.sparse import coo_array, csr_array, vstack

__all__ = ["assign"]

_Indices = NDArray[np.intp]
_Floats = NDArray[np.float64]
_Bools = NDArray[np.bool_]
#: Reduced costs and differences of sums below this are rounding errors.
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
    # Then the assignment itself chooses the patients, or takes all of them.
    if ratio == 1 or ratio * n_patients <= n_controls:
        chosen: _Indices = np.arange(n_patients)
    else:
        chosen = _choose_patients(distances, ratio)
    return _assign_controls(distances, chosen, ratio)


def _assign_controls(distances: _Floats, chosen: _Indices, ratio: int) -> tuple[_Indices, _Indices]:
    """Assign controls to the chosen patients, or with one control each to as many as there are controls."""
    rows, columns = linear_sum_assignment(np.repeat(distances[chosen], ratio, axis=0))
    return chosen[rows[::ratio] // ratio], columns.reshape(-1, ratio)


def _choose_patients(distances: _Floats, ratio: int) -> _Indices:
    """Choose the patients, as many as there are controls for, whose assignment has the smallest sum.

    Each patient gets all their controls or none, which is an integer program.  Its linear relaxation, solved
    over near pairs and all others that would lower it, almost determines the patients, and rounding it gives
    an assignment whose sum is larger by `gap`.  An assignment with a certain pair costs at least the
    relaxation and the reduced cost of that pair, so the program needs no pair whose reduced cost is above
    `gap`.
    """
    allowed = _near_pairs(distances, ratio)
    relaxed = _Program.of(distances, allowed, ratio).relax()
    while (missing := ~allowed & (relaxed.reduced < -_TOLERANCE)).any():
        allowed |= missing
        relaxed = _Program.of(distances, allowed, ratio).relax()
    n_chosen = distances.shape[1] // ratio
    # Stable: of equal ones the first, whichever way a version of NumPy sorts.
    rounded = np.sort(np.argsort(-relaxed.chosen, kind="stable")[:n_chosen])
    pairs = _pairs(distances, rounded, ratio)
    gap = distances[pairs].sum() - relaxed.cost
    if gap <= _TOLERANCE:
        return rounded
    return _Program.of(distances, pairs | (relaxed.reduced < gap), ratio).solve()


def _near_pairs(distances: _Floats, ratio: int) -> _Bools:
    """Return the nearest pairs of each patient and control, and those of one complete assignment."""
    n_near = 2 * ratio + 4
    nearest = np.argsort(np.argsort(distances, axis=1), axis=1) < n_near
    nearest |= np.argsort(np.argsort(distances, axis=0), axis=0) < n_near
    n_chosen = distances.shape[1] // ratio
    some = np.sort(np.argsort(np.sort(distances, axis=1)[:, :ratio].sum(axis=1))[:n_chosen])
    return nearest | _pairs(distances, some, ratio)


def _pairs(distances: _Floats, chosen: _Indices, ratio: int) -> _Bools:
    """Return the pairs of the best assignment of the chosen patients."""
    patient, controls = _assign_controls(distances, chosen, ratio)
    pairs = np.zeros(distances.shape, dtype=bool)
    pairs[patient[:, np.newaxis], controls] = True
    return pairs


@dataclass(frozen=True, slots=True)
class _Relaxed:
    """The solution of a linear relaxation: its sum, how far each patient is chosen, and all reduced costs."""

    cost: float
    chosen: _Floats
    #: Of each pair, allowed or not.
    reduced: _Floats


@dataclass(frozen=True, slots=True)
class _Program:
    """The program: a variable per allowed pair, then one per patient, which tells whether they are chosen."""

    distances: _Floats
    patient: _Indices
    control: _Indices
    costs: _Floats
    #: The controls of a patient are `ratio` times whether they are chosen, and so many are chosen.
    equal: csr_array
    n_chosen: _Floats
    #: A control has one patient at most.
    at_most: csr_array

    @classmethod
    def of(cls, distances: _Floats, allowed: _Bools, ratio: int) -> "_Program":
        """Build the program of the allowed pairs."""
        n_patients, n_controls = distances.shape
        patient, control = np.nonzero(allowed)
        each = np.arange(n_patients)
        n_variables = patient.size + n_patients
        rows = np.concatenate([patient, each, np.full(n_patients, n_patients)])
        columns = np.concatenate([np.arange(n_variables), patient.size + each])
        entries = np.concatenate([np.ones(patient.size), np.full(n_patients, -ratio), np.ones(n_patients)])
        equal = coo_array((entries, (rows, columns)), shape=(n_patients + 1, n_variables))
        n_chosen = np.append(np.zeros(n_patients), n_controls // ratio)
        pairs = (np.ones(patient.size), (control, np.arange(patient.size)))
        at_most = coo_array(pairs, shape=(n_controls, n_variables))
        costs = np.concatenate([distances[allowed], np.zeros(n_patients)])
        return cls(distances, patient, control, costs, csr_array(equal), n_chosen, csr_array(at_most))

    def relax(self) -> _Relaxed:
        """Solve the linear relaxation."""
        n_pairs, (n_patients, n_controls) = self.patient.size, self.distances.shape
        # A patient who is not chosen has no control: whole numbers imply this, the relaxation does not.
        pair = np.arange(n_pairs)
        rows, columns = np.tile(pair, 2), np.concatenate([pair, n_pairs + self.patient])
        only_chosen = coo_array(
            (np.repeat([1.0, -1.0], n_pairs), (rows, columns)), shape=(n_pairs, self.costs.size)
        )
        upper = np.where(np.arange(self.costs.size) < n_pairs, np.inf, 1.0)
        solved: Any = linprog(  # type: ignore[call-overload]  # scipy-stubs knows no sparse matrices here
            self.costs,
            A_ub=vstack([self.at_most, only_chosen], format="csr"),
            b_ub=np.repeat([1.0, 0.0], [n_controls, n_pairs]),
            A_eq=self.equal,
            b_eq=self.n_chosen,
            bounds=np.stack([np.zeros(upper.size), upper], axis=1),
        )
        prices = solved.eqlin.marginals[:n_patients, np.newaxis] + solved.ineqlin.marginals[:n_controls]
        reduced = self.distances - prices
        reduced[self.patient, self.control] -= solved.ineqlin.marginals[n_controls:]
        return _Relaxed(float(solved.fun), solved.x[n_pairs:], reduced)

    def solve(self) -> _Indices:
        """Solve the integer program; return the chosen patients."""
        solved: Any = milp(
            self.costs,
            # Whole pairs follow from whole patients, but let the solver derive cuts from them.
            integrality=np.ones(self.costs.size, dtype=int),
            bounds=Bounds(0, 1),
            constraints=[
                LinearConstraint(self.equal, self.n_chosen, self.n_chosen),
                LinearConstraint(self.at_most, -np.inf, 1),
            ],
            # By default, HiGHS ends at an assignment that is nearly the best.
            options={"mip_rel_gap": 0},
        )
        # Solvers return whole numbers up to a tolerance.
        return np.flatnonzero(solved.x[self.patient.size :] > 1 / 2)
