"""Prints the mutants of modules, one JSON object a line; runs in the environment with mutmut.

The operators are mutmut's. mutmut itself uses trampolines, so it mutates only undecorated functions
and methods. Here each mutant is a whole module, so properties, constants, class bodies and
decorated functions are mutated as well.
"""

import ast
import difflib
import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, CodeSpan, MetadataWrapper
from mutmut.mutation.mutators import mutation_operators

UNTOUCHED = (cst.Annotation, cst.Import, cst.ImportFrom, cst.TypeAlias)
"""Nodes without run-time behaviour."""

MODULE = cst.Module([])

TYPING = frozenset({"TypeVar", "ParamSpec", "NewType", "cast", "Protocol"})
"""Calls that only a type checker reads."""


class Finder(cst.CSTVisitor):  # type: ignore[misc]  # libcst is not in this environment
    """Finds the mutations of a module."""

    METADATA_DEPENDENCIES = (ByteSpanPositionProvider,)

    def __init__(self) -> None:
        self.found: list[tuple[str, CodeSpan, str]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Apply the operators for *node*, unless it has no run-time behaviour."""
        if isinstance(node, UNTOUCHED) or _is_typing(node):
            return False
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                mutants = list(operator(node))
                # One mutation of a string is enough: the others show the same.
                for mutated in mutants[:1] if kind is cst.BaseString else mutants:
                    self._add(node, mutated, operator.__name__.removeprefix("operator_"))
        return True

    def _add(self, node: cst.CSTNode, mutated: cst.CSTNode, name: str) -> None:
        span = self.get_metadata(ByteSpanPositionProvider, node, None)
        if isinstance(span, CodeSpan):
            text = MODULE.code_for_node(mutated)
            self.found.append((name, span, text))


def _is_typing(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Name):
        return str(node.func.value) in TYPING
    if isinstance(node, cst.Assign) and isinstance(node.value, cst.Subscript):
        return isinstance(node.value.value, cst.Name) and node.value.value.value == "Literal"
    if isinstance(node, cst.AnnAssign) and isinstance(node.annotation.annotation, cst.Name):
        return bool(node.annotation.annotation.value == "TypeAlias")
    if isinstance(node, cst.If) and isinstance(node.test, cst.Name):
        return bool(node.test.value == "TYPE_CHECKING")
    return False


def mutated(code: str) -> Iterator[tuple[str, str]]:
    """Yield each mutant of a module once, by the name of its operator."""
    finder = Finder()
    MetadataWrapper(cst.parse_module(code)).visit(finder)
    text, seen = code.encode(), {code}
    for name, span, replacement in finder.found:
        ends = span.start + span.length
        source = (text[: span.start] + replacement.encode() + text[ends:]).decode()
        if source not in seen and _is_valid(source):
            seen.add(source)
            yield name, source


def _is_valid(source: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        try:
            compile(source, "mutant", "exec")
        except SyntaxError:
            return False
    return True


def described(path: str, code: str, operator: str, source: str) -> dict[str, object]:
    """Return a mutant with the lines that it changes."""
    before, after = code.splitlines(), source.splitlines()
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    changed = [step for step in matcher.get_opcodes() if step[0] != "equal"]
    first, last = changed[0], changed[-1]
    return {
        "path": path,
        "operator": operator,
        "within": _within(ast.parse(code), first[1] + 1),
        "first": first[1] + 1,
        "last": max(last[2], first[1] + 1),
        "was": _joined(before[first[1] : last[2]]),
        "becomes": _joined(after[first[3] : last[4]]),
        "source": source,
    }


def _within(tree: ast.AST, line: int) -> str:
    """Return the dotted name of the function or class that *line* is in."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            continue
        if node.lineno <= line <= (node.end_lineno or 0):
            return f"{node.name}.{_within(node, line)}".rstrip(".")
    return ""


def _joined(lines: Sequence[str]) -> str:
    return " ".join(line.strip() for line in lines)


def main(*paths: str) -> None:
    """Print the mutants of each of *paths*."""
    for path in paths:
        code = Path(path).read_text()
        for operator, source in mutated(code):
            sys.stdout.write(json.dumps(described(path, code, operator, source)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
