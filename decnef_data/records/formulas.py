"""The arithmetic of the formulas by which values follow from others."""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from math import isclose

from decnef_data.model import Formula

#: Without powers: the text of a catalog could ask for a number that fills the memory.
_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
#: An operator between blanks, which a sentence does not have.
_LOOKS_ARITHMETIC = re.compile(r"\s(?:[+*/=-]|//|\N{MULTIPLICATION SIGN}|\N{MINUS SIGN})\s")


def find_formula_problem(formula: Formula, value: object, parts: Mapping[str, object]) -> str | None:
    """Return what is wrong with a formula for a value; `parts` has the value of each part by name.

    Examples
    --------
    >>> pairs = Formula(formula="rois * (rois - 1) / 2", parts=("rois",))
    >>> find_formula_problem(pairs, 6, {"rois": 4})
    >>> find_formula_problem(pairs, 7, {"rois": 4})
    "has the formula 'rois * (rois - 1) / 2', which gives 6 instead of 7,"
    """
    expression = _parse(formula)
    if expression is None:
        is_arithmetic = _LOOKS_ARITHMETIC.search(formula.formula) is not None
        return (
            f"has the formula '{formula.formula}', which has other names than its parts,"
            if is_arithmetic
            else None
        )
    unused = [part for part in formula.parts if part not in _used_parts(formula, expression)]
    if unused:
        return f"has the formula '{formula.formula}', which does not use its part '{unused[0]}',"
    texts = [part for part, each in parts.items() if not _is_number(each)]
    if texts:
        return f"has the formula '{formula.formula}', of which the part '{texts[0]}' is not a number,"
    return _compare(formula, value, expression, parts)


def _compare(
    formula: Formula, value: object, expression: ast.expr, parts: Mapping[str, object]
) -> str | None:
    numbers = {f"_{i}": float(str(parts[part])) for i, part in enumerate(formula.parts)}
    try:
        result = _evaluate(expression, numbers)
    except ZeroDivisionError:
        return f"has the formula '{formula.formula}', which divides by zero,"
    # Values such as 0.1 + 0.2 are not exact in binary.
    if _is_number(value) and isclose(result, float(str(value)), rel_tol=1e-9):
        return None
    return f"has the formula '{formula.formula}', which gives {result:.12g} instead of {value},"


def _is_number(value: object) -> bool:
    # A bool is an int, but neither counted nor measured.
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parse(formula: Formula) -> ast.expr | None:
    """Return the arithmetic of a formula with ``_0``, ``_1`` … for its parts, or ``None`` for a sentence."""
    numbers = {part: f"_{i}" for i, part in enumerate(formula.parts)}
    # The longest first: the name of one part may begin with that of another.
    names = "|".join(re.escape(part) for part in sorted(numbers, key=len, reverse=True))
    # Names have dots, slashes and hyphens: 'a-b' is one name, and 'a - b' a difference.
    pattern = rf"(?<![\w./-])(?:{names})(?![\w./-])"
    text = re.sub(pattern, lambda match: numbers[match[0]], formula.formula) if names else formula.formula
    try:
        expression = ast.parse(text, mode="eval").body
    except SyntaxError:
        return None
    return expression if _is_arithmetic(expression, set(numbers.values())) else None


def _is_arithmetic(node: ast.expr, names: set[str]) -> bool:
    match node:
        case ast.BinOp(left, op, right):
            return type(op) in _OPERATORS and _is_arithmetic(left, names) and _is_arithmetic(right, names)
        case ast.Name(name):
            return name in names
        case ast.Constant(value):
            return _is_number(value)
    return False


def _used_parts(formula: Formula, expression: ast.expr) -> set[str]:
    names = {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
    return {part for i, part in enumerate(formula.parts) if f"_{i}" in names}


def _evaluate(node: ast.expr, numbers: Mapping[str, float]) -> float:
    match node:
        case ast.BinOp(left, op, right):
            return _OPERATORS[type(op)](_evaluate(left, numbers), _evaluate(right, numbers))
        case ast.Name(name):
            return numbers[name]
        case ast.Constant(value):
            return float(str(value))
    raise TypeError(node)
