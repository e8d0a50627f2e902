"""The commands of `twotier prices`, with their words and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Yes = Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")]
Flag = Annotated[bool, Parameter(negative="")]
prices = App(name="prices", help="What models cost, who says so, and your own prices.")


@prices.command
def show(model: str = "", /, *, as_json: Json = False, config: Config) -> int:
    """The prices of your tiers, or of every model with this in its name.

    Parameters
    ----------
    model
        A provider/model, or a part of one.
    """
    from twotier.cli.prices import shown

    return shown(config, model, as_json=as_json)


@prices.command
def update(
    *,
    source: Annotated[str, Parameter(name="--from")] = "",
    undo: Flag = False,
    yes: Yes = False,
    as_json: Json = False,
    config: Config,
) -> int:
    """Fetch the public list of prices, show what is different, and use it from the next start on.

    Parameters
    ----------
    source
        A file or an https address in place of the usual one (the data of genai-prices).
    undo
        Use the list that was in force before the last update.
    """
    from twotier.cli.price_update import undone, updated

    if undo:
        return undone(config, as_json=as_json)
    return updated(config, source, yes=yes, as_json=as_json)


@prices.command(name="set")
def set_price(name: str, /, *terms: str, as_json: Json = False, config: Config) -> int:
    """Write a price of your own into the configuration.

    `twotier prices set openai/gpt-9 input=2 output=8` in USD per million tokens; for what is no
    token `twotier prices set x/post_read each=0.005`.

    Parameters
    ----------
    name
        The provider/model, or provider/unit.
    terms
        input=, output=, cache_read=, cache_write=, cache_write_1h= in USD per million tokens;
        web_search=, request= in USD each; batch_percent=, fast_percent=, us_percent= and others,
        as `[prices]` has them in the configuration.
    """
    from twotier.cli.prices import written

    return written(config, name, terms=terms, as_json=as_json)
