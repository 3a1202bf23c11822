"""`storeforward producer`: who may send events through TCP."""

import json
import shlex
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from agent.cli.options import config_option, data_folder, data_option, json_option, load
from agent.errors import EnvironmentFault
from agent.event_types import EVENT_TYPES
from agent.producers import Producer, ProducerRegistry
from agent.settings import ApiSettings

__all__ = ["producer"]

_SAMPLES: Final[dict[str, dict[str, str | int]]] = {
    "pos.scan.v1": {
        "till_id": "till-3",
        "basket_id": "1",
        "line": 1,
        "sku": "1082185",
        "quantity": "1",
        "actual_unit_price": "1.49",
        "currency": "EUR",
    },
    "stock.counted.v1": {"sku": "1082185", "location": "shelf-12", "counted": "31"},
    "environment.v1": {"sensor_id": "fridge-2", "measure": "temperature", "value": 4, "unit": "Cel"},
}


@click.group()
def producer() -> None:
    """Let tills, scales and gateways send events over TCP, each with its own token.

    Example: storeforward producer add till-3
    """


@producer.command()
@click.argument("name")
@click.option(
    "--type",
    "types",
    multiple=True,
    help="Event type it may send, or a glob, e.g. --type 'pos.*'. May be given again. Default: all.",
)
@data_option
@config_option
@json_option
def add(name: str, *, types: tuple[str, ...], data: Path | None, config_file: Path | None, as_json: bool) -> None:
    """Let NAME in and print its token, which is shown only this once.

    Example: storeforward producer add till-3 --type 'pos.*'
    """
    api = load(config_file).settings.api
    addresses = _addresses(api)
    fingerprint = _fingerprint(api)
    data_folder(data).create_identity()
    registry = _registry(data)
    token = registry.add(name, types or ("*",))
    added = next(other for other in registry.list() if other.name == name)
    curls = [_curl(address, token, added, api) for address in addresses]
    if as_json:
        report = {**_public(added), "token": token, "addresses": addresses, "fingerprint": fingerprint, "curl": curls}
        click.echo(json.dumps(report))
        return
    folder = data_folder(data).path
    click.echo(f"Producer {name} of {folder} may send {_kinds(added)}. Its token, shown only now:\n\n  {token}\n")
    if fingerprint:
        click.echo(f"The LAN listener's certificate has the SHA-256 fingerprint\n\n  {fingerprint}\n")
    if curls:
        click.echo("Try it while the agent runs:\n")
        click.echo("\n\n".join(f"  {line}" for line in curls))
    else:
        click.echo(
            "No TCP listener is on: set tcp_port in section [api], for example tcp_port = 8080, and start the agent "
            "again. Then:\n\n"
            f"  {_curl('http://127.0.0.1:8080', token, added, api)}"
        )


@producer.command(name="list")
@data_option
@json_option
def list_(data: Path | None, *, as_json: bool) -> None:
    """List who may send what, without tokens.

    Example: storeforward producer list --json
    """
    producers = _registry(data).list()
    if as_json:
        click.echo(json.dumps([_public(found) for found in producers]))
    elif not producers:
        click.echo("No producers yet: storeforward producer add till-3 lets one in.")
    else:
        width = max(len(found.name) for found in producers)
        for found in producers:
            click.echo(f"{found.name:{width}}  since {found.created[:16]}Z  may send {_kinds(found)}")


@producer.command()
@click.argument("name")
@data_option
@json_option
def remove(name: str, *, data: Path | None, as_json: bool) -> None:
    """Lock NAME out. What it sent stays.

    Example: storeforward producer remove till-3
    """
    _registry(data).remove(name)
    click.echo(json.dumps({"removed": name}) if as_json else f"Producer {name} is locked out from now on.")


def _registry(data: Path | None) -> ProducerRegistry:
    return ProducerRegistry(data_folder(data).identity)


def _kinds(found: Producer) -> str:
    return "events of every type" if "*" in found.types else ", ".join(found.types)


def _public(found: Producer) -> dict[str, object]:
    return {"name": found.name, "types": list(found.types), "created": found.created}


def _addresses(api: ApiSettings) -> list[str]:
    addresses = [f"http://127.0.0.1:{api.tcp_port}"] if api.tcp_port else []
    if api.lan_host:
        host = f"[{api.lan_host}]" if ":" in api.lan_host else api.lan_host
        addresses.append(f"https://{host}:{api.lan_port}")
    return addresses


def _curl(address: str, token: str, added: Producer, api: ApiSettings) -> str:
    sample = next((name for name in (*_SAMPLES, *EVENT_TYPES) if added.may_write(name)), "pos.scan.v1")
    data = dict(_SAMPLES.get(sample, {"...": "..."}))
    if "till_id" in data:
        data["till_id"] = added.name
    event = {"type": sample, "data": data}
    words = ["curl", "--fail-with-body", "-H", f"Authorization: Bearer {token}"]
    words += ["-H", "Content-Type: application/json", "-d", json.dumps(event), f"{address}/v1/events"]
    if urlsplit(address).scheme == "https":
        words[1:1] = ["--cacert", api.lan_certificate_file]
    return shlex.join(words)


def _fingerprint(api: ApiSettings) -> str:
    """SHA-256 over the LAN certificate as people compare it, such as `AB:CD:…`; "" when the listener is off."""
    if not api.lan_host:
        return ""
    from cryptography import x509  # noqa: PLC0415 - only with a LAN listener
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - as above

    try:
        chain = x509.load_pem_x509_certificates(Path(api.lan_certificate_file).read_bytes())
    except (OSError, ValueError) as error:
        raise EnvironmentFault(f"cannot read the certificate {api.lan_certificate_file}: {error}") from error
    return chain[0].fingerprint(hashes.SHA256()).hex(":").upper()
