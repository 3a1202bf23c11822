"""`python -m sim.firmware`: builds the reference firmware and says where it lies."""

import click

from agent.errors import StoreforwardError
from sim.firmware.products import Product, build


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([product.name.lower() for product in Product]))
def main(names: tuple[str, ...]) -> None:
    """Builds the named products, or the vehicle, and prints their paths."""
    try:
        for name in names or ("vehicle",):
            click.echo(build(Product[name.upper()]))
    except StoreforwardError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
