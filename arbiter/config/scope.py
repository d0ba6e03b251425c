"""Which names a module or a function binds, read from its syntax tree.

What cannot be followed for certain (a name bound in a branch, or twice) is marked as
such, and never guessed. Knows nothing of `global` and `nonlocal`.
"""

import ast
import dataclasses
from collections.abc import Iterable, Iterator, Sequence


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """A module, or a function.

    Args:
        bound: by name, what binds it, in order: a value, a definition or an import; None where it is not followed.
        outer: the scope around it.
    """

    bound: dict[str, list[ast.AST | None]]
    outer: "Scope | None" = None

    @classmethod
    def of(cls, body: Sequence[ast.stmt], unknown: Iterable[str] = (), outer: "Scope | None" = None) -> "Scope":
        """Return what the statements of `body` bind.

        Args:
            body: the statements.
            unknown: names that are bound in a way that is not followed, such as arguments.
            outer: the scope around it.
        """
        bound: dict[str, list[ast.AST | None]] = {name: [None] for name in unknown}
        for statement in body:
            for name, how in _bindings(statement):
                bound.setdefault(name, []).append(how)
        return cls(bound, outer)

    @property
    def is_open(self) -> bool:
        """Whether it may hold names that are not seen: by `from x import *`, or a module's `__getattr__`."""
        return "*" in self.bound or "__getattr__" in self.bound

    def owner(self, name: str) -> "Scope | None":
        """Return the scope that binds `name`, from here outwards."""
        if name in self.bound or self.is_open:
            return self
        return self.outer.owner(name) if self.outer else None

    def last(self, name: str) -> ast.AST | None:
        """Return what binds `name` here for good; None where that is not certain."""
        found = self.bound.get(name, [])
        return None if self.is_open or not found or None in found else found[-1]

    def only(self, name: str) -> ast.AST | None:
        """Return the only thing that binds `name` here; None where there are more, or it is not certain."""
        return self.last(name) if len(self.bound.get(name, ())) == 1 else None


def _bindings(statement: ast.stmt) -> Iterator[tuple[str, ast.AST | None]]:
    """Yield the names a statement binds, each with what it is bound to."""
    match statement:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                if isinstance(target, ast.Name):
                    yield target.id, value
                else:
                    yield from _hidden(target)
            yield from _hidden(value)
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
            yield from _hidden(value)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name, statement
            yield from _hidden(*_seen_from_outside(statement))
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from ((bound_by(each), statement) for each in names)
        case _:
            yield from _hidden(statement)


def bound_by(alias: ast.alias) -> str:
    """Return the name that a part of an import statement binds."""
    return alias.asname or alias.name.partition(".")[0]


def _hidden(*nodes: ast.AST) -> Iterator[tuple[str, None]]:
    """Yield the names that are bound somewhere within, in this scope: in a branch, by `:=`."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield from ((name, None) for name in _bound_at(node))
        waiting.extend(_seen_from_outside(node))


def _seen_from_outside(node: ast.AST) -> Iterable[ast.AST]:
    """Return the parts of `node` that are evaluated in the scope it stands in."""
    match node:
        case ast.FunctionDef(args=args) | ast.AsyncFunctionDef(args=args):
            return (*node.decorator_list, *ast.iter_child_nodes(args))
        case ast.Lambda(args=args):
            return ast.iter_child_nodes(args)
        case ast.ClassDef():
            return (*node.decorator_list, *node.bases, *node.keywords)
    return ast.iter_child_nodes(node)


def _bound_at(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.alias():
            return [bound_by(node)]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return [name]
        case ast.MatchMapping(rest=str(name)):
            return [name]
    return []
