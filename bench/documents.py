"""The GraphQL documents of this repository: of its tests, its documentation and its explorer."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, parse

from bench.data import ROOT

FOLDERS = ("tests", "docs", "web/src", "README.md")
_TEMPLATES = re.compile(r"`([^`]*\{[^`]*)`")
_FENCES = re.compile(r"```graphql\n(.*?)```", re.DOTALL)


def documents() -> dict[str, DocumentNode]:
    """Return every text that is a whole document with an operation, parsed. Texts that a program puts together while it
    runs are not found."""
    found: dict[str, DocumentNode] = {}
    for file in _files():
        for text in _texts(file):
            if "{" not in text or text in found:
                continue
            try:
                document = parse(text, max_tokens=1_000)
            except GraphQLError:
                continue
            if any(isinstance(each, OperationDefinitionNode) for each in document.definitions):
                found[text] = document
    return found


def _files() -> Iterator[Path]:
    for name in FOLDERS:
        place = ROOT / name
        yield from [place] if place.is_file() else sorted(place.rglob("*.*"))


def _texts(file: Path) -> Iterator[str]:
    if "node_modules" in file.parts or "__pycache__" in file.parts:
        return
    match file.suffix:
        case ".py":
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
        case ".graphql":
            yield file.read_text()
        case ".ts" | ".tsx" | ".js" | ".html":
            yield from _TEMPLATES.findall(file.read_text())
        case ".md":
            yield from _FENCES.findall(file.read_text())
        case _:
            return
