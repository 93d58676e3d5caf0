"""HogQL's expressions in ClickHouse's SQL: fields, constants, operators, calls."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from sandbox.posthog import functions
from sandbox.posthog.errors import ApiError, invalid
from sandbox.posthog.fields import name, text, unresolved
from sandbox.posthog.scopes import Rules, Scope

if TYPE_CHECKING:
    from datetime import datetime

    from sandbox.posthog.parser import Node

_COMPARE = {
    "==": "equals",
    "!=": "notEquals",
    "<": "less",
    "<=": "lessOrEquals",
    ">": "greater",
    ">=": "greaterOrEquals",
    "in": "in",
    "not in": "notIn",
    "like": "like",
    "not like": "notLike",
    "ilike": "ilike",
    "not ilike": "notILike",
    "=~": "match",
}
_NUMBER = r"-?(\d+|Infinity)|NaN"  # what the parser gives as text: JSON has not got it
_ARITHMETIC = frozenset("+-*/%")


class Expressions:
    """Print expressions; sub-queries are printed by who derives from this."""

    def __init__(self, source: str, rules: Rules) -> None:
        self.source = source
        self.rules = rules
        self.scope = Scope()
        self.ctes: dict[str, Node] = {}

    def expr(self, node: Node) -> str:
        """Print any expression."""
        printer = getattr(self, f"_{node['node'].lower()}", None)
        if printer is None:
            raise self.refused(node["node"])
        sql: str = printer(node)
        return sql

    def joined(self, nodes: list[Node]) -> str:
        """Print expressions in a row."""
        return ", ".join(self.expr(node) for node in nodes)

    def refused(self, what: str) -> ApiError:
        """Say what is not here."""
        return invalid(f"The sandbox does not know this part of HogQL: {what}")

    def filled(self, node: Node) -> Node:
        """Put the request's value where the query has a placeholder."""
        if node["node"] != "Placeholder":
            return node
        key = ".".join(map(str, node["expr"].get("chain", ["?"])))
        if key not in self.rules.values:
            msg = f"Placeholder {{{key}}} has no value"
            raise invalid(msg)
        value = self.rules.values[key]
        if isinstance(value, list):
            items = [{"node": "Constant", "value": item} for item in value]
            return {"node": "Tuple", "exprs": items}
        return {"node": "Constant", "value": value}

    def _placeholder(self, node: Node) -> str:
        return self.expr(self.filled(node))

    def _constant(self, node: Node) -> str:
        value = node["value"]
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            number = node.get("value_type") == "number"
            return value if number and re.fullmatch(_NUMBER, value) else text(value)
        return repr(value)

    def _field(self, node: Node) -> str:
        chain = [str(part) for part in node["chain"]]
        if len(chain) == 1 and chain[0] in self.scope.aliases:
            return name(chain[0])
        if not self.scope.sources:
            raise unresolved(chain)
        source, rest = self.scope.source(chain)
        return source.field(rest, self.rules)

    def _arrayaccess(self, node: Node) -> str:
        array, key = node["array"], self.filled(node["property"])
        if array["node"] == "Field" and isinstance(key.get("value"), str):
            return self._field(dict(array, chain=[*array["chain"], key["value"]]))
        return f"{self.expr(array)}[{self.expr(key)}]"

    def _tupleaccess(self, node: Node) -> str:
        return f"tupleElement({self.expr(node['tuple'])}, {int(node['index'])})"

    def _tuple(self, node: Node) -> str:
        return f"tuple({self.joined(node['exprs'])})"

    def _array(self, node: Node) -> str:
        return f"[{self.joined(node['exprs'])}]"

    def _and(self, node: Node) -> str:
        return "(" + " and ".join(map(self.expr, node["exprs"])) + ")"

    def _or(self, node: Node) -> str:
        return "(" + " or ".join(map(self.expr, node["exprs"])) + ")"

    def _not(self, node: Node) -> str:
        return f"not({self.expr(node['expr'])})"

    def _betweenexpr(self, node: Node) -> str:
        word = "not between" if node["negated"] else "between"
        low, high = self.expr(node["low"]), self.expr(node["high"])
        return f"({self.expr(node['expr'])} {word} {low} and {high})"

    def _compareoperation(self, node: Node) -> str:
        operator = node["op"]
        if operator not in _COMPARE:
            raise self.refused(operator)
        right = self.filled(node["right"])
        left = self.expr(node["left"])
        null = right["node"] == "Constant" and right["value"] is None
        if null and operator in {"==", "!="}:
            return f"{'isNull' if operator == '==' else 'isNotNull'}({left})"
        return f"{_COMPARE[operator]}({left}, {self.expr(right)})"

    def _arithmeticoperation(self, node: Node) -> str:
        if node["op"] not in _ARITHMETIC:
            raise self.refused(node["op"])
        return f"({self.expr(node['left'])} {node['op']} {self.expr(node['right'])})"

    def _alias(self, node: Node) -> str:
        msg = f"an alias inside an expression ({node['alias']})"
        raise self.refused(msg)

    def _selectquery(self, node: Node) -> str:
        return self.subquery(node)

    _selectsetquery = _selectquery

    def subquery(self, node: Node) -> str:
        """Print a query inside an expression."""
        raise self.refused(node["node"])

    def _call(self, node: Node) -> str:
        name_given: str = node["name"]
        called = functions.ANY_CASE.get(name_given.lower(), name_given)
        for key in ("params", "filter_expr", "order_by"):
            if node.get(key):
                msg = f"{called} with {key}"
                raise self.refused(msg)
        given = [] if _is_count_star(called, node["args"]) else node["args"]
        args = [self.expr(arg) for arg in given]
        if called in functions.SAME or called in functions.RENAMED:
            distinct = "distinct " if node["distinct"] else ""
            called = functions.RENAMED.get(called, called)
            return f"{called}({distinct}{', '.join(args)})"
        if called in functions.CASTS:
            return f"accurateCastOrNull({', '.join(args)}, '{functions.CASTS[called]}')"
        zone = text(self.rules.timezone)
        if called == "toTimeZone":
            return f"toTimeZone({', '.join([*args, zone][:2])})"
        if called == "toDateTime64":
            filled = [*args, *["6", zone][len(args) - 1 :]]
            return f"toDateTime64({', '.join(filled)})"
        if called in functions.PARSED or called == "toDate":
            return self._conversion(called, node["args"], args)
        return self._clock(called)

    def _clock(self, called: str) -> str:
        """Print what depends on the server's clock, which is an argument here."""
        if called in functions.CLOCK:
            return self._instant(self.rules.now)
        if called in functions.TODAY:
            day = self.rules.now - timedelta(days=functions.TODAY[called])
            return f"toDate({self._instant(day)})"
        msg = f"Unsupported function call '{called}(...)'"
        raise invalid(msg)

    def _instant(self, instant: datetime) -> str:
        shown = instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        utc = f"toDateTime64('{shown}', 6, 'UTC')"
        if self.rules.timezone == "UTC":
            return utc
        return f"toTimeZone({utc}, {text(self.rules.timezone)})"

    def _conversion(self, called: str, nodes: list[Node], args: list[str]) -> str:
        """Print toDateTime or toDate: what they do depends on what they are given."""
        if not args:
            msg = f"Function '{called}' expects at least 1 argument"
            raise invalid(msg)
        textual = self._is_text(nodes[0])
        if called == "toDate":
            return f"{'toDateOrNull' if textual else 'toDate'}({args[0]})"
        zone = args[1] if len(args) > 1 else text(self.rules.timezone)
        if textual or called != "toDateTime":
            return f"{functions.PARSED[called]}({args[0]}, 6, {zone})"
        return f"toDateTime({args[0]}, {zone})"

    def _is_text(self, node: Node) -> bool:
        node = self.filled(node)
        if node["node"] == "Field":
            chain = [str(part) for part in node["chain"]]
            if len(chain) == 1 and chain[0] in self.scope.aliases:
                return self._is_text(self.scope.aliases[chain[0]])
            if not self.scope.sources:
                return False
            source, rest = self.scope.source(chain)
            return len(rest) > 1 or source.is_text(rest[0])
        if node["node"] == "Call":
            return node["name"] in functions.TEXTUAL
        return node["node"] == "Constant" and isinstance(node["value"], str)


def _is_count_star(called: str, args: list[Node]) -> bool:
    return called == "count" and [arg.get("chain") for arg in args] == [["*"]]
