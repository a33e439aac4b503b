"""A frozen record of options -> a command with one option per field."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import MISSING, Field, fields
from inspect import Parameter, Signature, get_annotations
from typing import Any, TypeVar, get_type_hints

Record = TypeVar("Record")
TYPED: ContextVar[tuple[str, ...]] = ContextVar("typed", default=())  # the words of this command line


def takes(record: type[Record]) -> Callable[[Callable[[Record], int]], Callable[..., int]]:
    """Turn a function of one record into a command that typer reads like a function of its fields.

    So options that two commands share are inherited, and a command passes one record on.
    """

    def as_command(function: Callable[[Record], int]) -> Callable[..., int]:
        def command(**values: Any) -> int:  # noqa: ANN401  typer has checked them
            return function(record(**values))

        hints = get_type_hints(record, include_extras=True)
        command.__signature__ = Signature(  # type: ignore[attr-defined]
            [_parameter(field, hints[field.name]) for field in _own_first(record)]
        )
        command.__annotations__ = hints
        command.__doc__ = function.__doc__
        return command

    return as_command


def _own_first(record: type) -> "list[Field[Any]]":
    """Return the fields, those of the record itself before inherited ones, as help lists them."""
    by_name = {field.name: field for field in fields(record)}
    names = [name for one in record.__mro__ for name in get_annotations(one)]
    return [by_name[name] for name in dict.fromkeys(names)]


def _parameter(field: "Field[Any]", hint: object) -> Parameter:
    default = Parameter.empty if field.default is MISSING else field.default
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=hint)
