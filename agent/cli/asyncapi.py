"""`storeforward asyncapi`: what goes over MQTT, as a document for people and code generators on the cloud's side."""

import json
from pathlib import Path

import click

from agent.cli.options import config_option, load

__all__ = ["asyncapi"]


@click.command()
@config_option
def asyncapi(config_file: Path | None) -> None:
    """Print the AsyncAPI 3 document of the MQTT link: topics, messages, JSON Schemas of every event type.

    With --config, the site's own event types are in it. Example: storeforward asyncapi > asyncapi.json
    """
    from agent import __version__  # noqa: PLC0415 - help texts need none of this
    from agent.asyncapi import asyncapi_document  # noqa: PLC0415 - as above
    from agent.site_type_files import load_site_types  # noqa: PLC0415 - as above

    site_types = load_site_types(load(config_file).settings.events)
    click.echo(json.dumps(asyncapi_document(__version__, site_types), indent=2, ensure_ascii=False))
