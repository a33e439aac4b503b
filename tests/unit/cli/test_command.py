from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from unchaff.cli.command import takes


@dataclass(frozen=True, kw_only=True)
class Base:
    count: Annotated[int, typer.Option(help="How many.")] = 1


@dataclass(frozen=True, kw_only=True)
class Options(Base):
    name: Annotated[str, typer.Argument(help="Who.")]
    loud: Annotated[bool, typer.Option("--loud", help="Shout.")] = False


def made():
    app = typer.Typer(rich_markup_mode=None)

    def greet(given):
        """Greet somebody."""
        typer.echo(given)
        return 3

    app.command()(takes(Options)(greet))
    return app


def test_a_command_gets_one_record():
    result = CliRunner().invoke(made(), ["Ada", "--count", "2"])
    assert result.output.strip() == "Options(count=2, name='Ada', loud=False)"


def test_help_lists_own_options_before_inherited_ones():
    text = CliRunner().invoke(made(), ["--help"]).output
    assert text.index("--loud") < text.index("--count")
    assert "Greet somebody." in text
