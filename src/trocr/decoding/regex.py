"""A small regular-expression language, read into a tree that a token automaton is built from.

The syntax and the meaning are those of Python's ``re`` in a full match: literals, escapes, ``.``,
``\\d \\w \\s`` and their negations, classes with ranges and negation, groups, ``|``, ``* + ?`` and
``{m} {m,} {,n} {m,n}``. Everything else is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from ..errors import UsageError

MAX_REPEAT = 1000
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}


@dataclass(frozen=True)
class CharSet:
    """A set of characters: code point ranges (both ends in) and the classes ``d w s D W S``."""

    ranges: tuple[tuple[str, str], ...] = ()
    classes: str = ""
    negated: bool = False

    def __contains__(self, char: str) -> bool:
        inside = any(first <= char <= last for first, last in self.ranges)
        return (inside or any(_in_class(char, name) for name in self.classes)) != self.negated


@dataclass(frozen=True)
class Concat:
    """The parts one after the other; without parts the empty text."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Choice:
    """One of the options."""

    options: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """``least`` to ``most`` copies of a node; ``most=None`` for any number."""

    node: Node
    least: int
    most: int | None


Node: TypeAlias = CharSet | Concat | Choice | Repeat


def parse_pattern(pattern: str) -> Node:
    """Read a regular expression.

    Raises:
        UsageError: names what is not supported, and where.
    """
    parser = _Parser(pattern)
    node = parser.choice()
    if not parser.at_end():
        parser.refuse("an unbalanced )")
    return node


def parse_characters(characters: str) -> CharSet:
    """Read the inside of a character class: ``0-9./`` for digits, full stop and slash.

    Raises:
        UsageError: no characters, a range that runs backwards, or an unknown escape.
    """
    parser = _Parser(characters)
    if parser.at_end():
        raise UsageError("The set of allowed characters is empty.", "Name at least one.")
    return parser.class_items(closing="")


def _in_class(char: str, name: str) -> bool:
    if name in "dD":
        inside = char.isdecimal()
    elif name in "sS":
        inside = char.isspace()
    else:
        inside = char.isalnum() or char == "_"
    return inside != name.isupper()


class _Parser:
    """Recursive descent over one pattern; ``position`` is the next character to read."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.position = 0

    def refuse(self, what: str, hint: str = "") -> NoReturn:
        raise UsageError(
            f"{what[0].upper()}{what[1:]} at position {self.position} of the pattern"
            f" {self.pattern!r} is not supported.",
            hint or "Supported are literals, escapes, . \\d \\w \\s [...] (...) | * + ? {m,n}.",
        )

    def at_end(self) -> bool:
        return self.position >= len(self.pattern)

    def peek(self) -> str:
        return self.pattern[self.position : self.position + 1]

    def take(self) -> str:
        if self.at_end():
            self.refuse("an unfinished expression")
        char = self.peek()
        self.position += 1
        return char

    def accept(self, text: str) -> bool:
        if not text or not self.pattern.startswith(text, self.position):
            return False
        self.position += len(text)
        return True

    def choice(self) -> Node:
        options = [self.sequence()]
        while self.accept("|"):
            options.append(self.sequence())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def sequence(self) -> Node:
        parts: list[Node] = []
        while not self.at_end() and self.peek() not in "|)":
            parts.append(self.repeated(self.atom()))
        return parts[0] if len(parts) == 1 else Concat(tuple(parts))

    def repeated(self, node: Node) -> Node:
        if self.accept("*"):
            node = Repeat(node, 0, None)
        elif self.accept("+"):
            node = Repeat(node, 1, None)
        elif self.accept("?"):
            node = Repeat(node, 0, 1)
        elif self.peek() == "{":
            node = self.counted(node)
        else:
            return node
        if self.peek() and self.peek() in "*+?{":
            self.refuse("a second quantifier", "Put the first one in a group: (a*)+.")
        return node

    def counted(self, node: Node) -> Node:
        start = self.position
        self.take()
        least = self.digits()
        most = least
        if self.accept(","):
            most = self.digits()
            bounded = bool(least or most)
        else:
            bounded = bool(least)
        if not bounded or not self.accept("}"):
            self.position = start
            self.refuse("a { that starts no {m,n}", "Write \\{ for the character.")
        low, high = int(least or 0), int(most) if most else None
        if max(low, high or 0) > MAX_REPEAT or (high is not None and high < low):
            self.position = start
            self.refuse("a count", f"Use {{m,n}} with m <= n <= {MAX_REPEAT}.")
        return Repeat(node, low, high)

    def digits(self) -> str:
        start = self.position
        while self.peek() and self.peek() in "0123456789":
            self.position += 1
        return self.pattern[start : self.position]

    def atom(self) -> Node:
        char = self.peek()
        if char in "*+?{":
            self.refuse(f"a {char} with nothing to repeat", f"Write \\{char} for the character.")
        if char in "^$":
            self.refuse(
                f"the anchor {char}",
                f"The whole line is matched anyway; write \\{char} for the character.",
            )
        self.position += 1
        if char == "(":
            return self.group()
        if char == "[":
            negated = self.accept("^")
            items = self.class_items(closing="]")
            return CharSet(items.ranges, items.classes, negated)
        if char == ".":
            return CharSet((("\n", "\n"),), negated=True)
        return self.escape() if char == "\\" else CharSet(((char, char),))

    def group(self) -> Node:
        if not self.accept("?:") and self.peek() == "?":
            self.refuse("a (?...) extension", "Use plain groups (...) or (?:...).")
        node = self.choice()
        if not self.accept(")"):
            self.refuse("a group without its )")
        return node

    def escape(self) -> CharSet:
        """Read what follows a backslash."""
        char = self.take()
        if char in "dwsDWS":
            return CharSet(classes=char)
        if char.isascii() and char.isalnum() and char not in _LETTERS:
            self.position -= 1
            self.refuse(f"the escape \\{char}", "Write the character itself.")
        char = _LETTERS.get(char, char)
        return CharSet(((char, char),))

    def class_items(self, closing: str) -> CharSet:
        """Read class items up to ``closing``, or to the end if it is empty."""
        ranges: list[tuple[str, str]] = []
        classes = ""
        first = True
        while first or not (self.accept(closing) if closing else self.at_end()):
            first = False
            item = self.class_item()
            if item.classes or not self.starts_range(closing):
                ranges += item.ranges
                classes += item.classes
                continue
            self.position += 1
            last = self.class_item()
            if last.classes or last.ranges[0][0] < item.ranges[0][0]:
                self.refuse("a range that runs backwards or to a class")
            ranges.append((item.ranges[0][0], last.ranges[0][0]))
        return CharSet(tuple(ranges), classes)

    def starts_range(self, closing: str) -> bool:
        after = self.pattern[self.position + 1 : self.position + 2]
        return self.peek() == "-" and after not in ("", closing)

    def class_item(self) -> CharSet:
        if self.at_end():
            self.refuse("a class without its ]")
        char = self.take()
        return self.escape() if char == "\\" else CharSet(((char, char),))
