"""A calculator for code execution: plain arithmetic, found in a prompt, worked out without running any code."""

import ast
import operator
import re
from collections.abc import Callable
from typing import Any

from pollux.emulator.words import DATE, URL

EXPRESSION = re.compile(r"(?<![\w.+*/^%-])[(\d.-][\d\s.,()+*/\u00d7\u00f7^%-]{0,199}[\d)](?![\w+*/^%-]|\.\d)")

EXPRESSION_CHARS_MAX = 200
"""Length of an expression: anything longer is no plain arithmetic."""

EXPONENT_MAX = 256
"""Largest exponent, so that a short expression cannot ask for a number of a million digits."""

VALUE_MAX = 10**300
"""Largest number on the way: Python's own limit for a float is near."""

OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


def found_expression(text: str) -> str:
    """Find the longest arithmetic expression of a text, in Python's spelling; empty when there is none."""
    plain = DATE.sub(" ", URL.sub(" ", text))
    found = [_python(match.group()) for match in EXPRESSION.finditer(plain) if len(match.group()) <= EXPRESSION_CHARS_MAX]
    return max((one for one in found if _is_expression(one)), key=len, default="")


def worked_out(expression: str) -> tuple[bool, str]:
    """Work out an expression: whether it went well, and what a program would print."""
    try:
        return True, f"{_value(ast.parse(expression, mode='eval').body)}\n"
    except ZeroDivisionError:
        return False, "ZeroDivisionError: division by zero\n"
    except (ArithmeticError, ValueError, TypeError, SyntaxError):
        return False, "OverflowError: the number is too large for the emulator\n"


def _python(text: str) -> str:
    text = text.replace("\u00d7", "*").replace("\u00f7", "/").replace("^", "**")
    return re.sub(r"(?<=\d),(?=\d{3})", "", text).strip()


def _is_expression(text: str) -> bool:
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return isinstance(tree, ast.BinOp) and all(isinstance(node, KNOWN) for node in ast.walk(tree))


KNOWN = (ast.BinOp, ast.UnaryOp, ast.Constant, ast.USub, ast.UAdd, *OPERATORS)


def _value(node: ast.AST) -> Any:
    match node:
        case ast.Constant(value=int() | float() as value):
            result: Any = value
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            result = -_value(inner)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            result = _value(inner)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _value(left), _value(right)
            if isinstance(op, ast.Pow) and abs(b) > EXPONENT_MAX:
                raise OverflowError
            result = OPERATORS[type(op)](a, b)
        case _:
            raise ValueError
    if isinstance(result, complex) or abs(result) > VALUE_MAX:
        raise OverflowError
    return result
