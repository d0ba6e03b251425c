"""What a setting is: declared once, and everything else is derived from the declaration."""

import dataclasses
from collections.abc import Callable, Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """A named value a person may choose.

    Args:
        name: as in the config module and in `config.NAME`; `HEELER_NAME` in the environment.
        parse: turns what was given into the value. It gets text from the command line and
            the environment, and any object from the config module or an earlier layer;
            raises ValueError whose text says what would be right (`not an integer >= 1`).
        default: as a person would give it; it goes through `parse` too.
        doc: what it means, for people: the first sentence stands in `--help`.
        section: the heading it is found under.
        cli: flags, the long one first; none means config module and environment only.
        env: further environment variables that set it, after `HEELER_NAME`.
        env_parse: for a variable of `env` whose text means something else than the
            setting's own (`PORT=80` is `bind = 0.0.0.0:80`), what turns it into what `parse` takes.
        metavar: what stands for the value in `--help`.
        flag: True for a switch without a value (its flags mean True, or `flag_value`).
        flag_value: what the switch gives, when not True (`--no-sendfile` gives False).
        repeat: True where the flag may be repeated; the values make a list.
        example: a value people would write, for the docs.
        reloadable: True where a reload (HUP) applies a new value.
        gunicorn: what a Gunicorn user must know when it differs; empty where it does not.
        aliases: what else it is called in the config module: Gunicorn's name for it.
    """

    name: str
    parse: Callable[[object], object]
    default: object
    doc: str
    section: str
    cli: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    env_parse: Mapping[str, Callable[[object], object]] | None = None
    metavar: str = ""
    flag: bool = False
    flag_value: object = True
    repeat: bool = False
    example: str = ""
    reloadable: bool = True
    gunicorn: str = ""
    aliases: tuple[str, ...] = ()
