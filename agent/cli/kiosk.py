"""`storeforward kiosk`: the touchscreen beside a till, in a process of its own."""

from pathlib import Path
from zoneinfo import ZoneInfo

import click

from agent.cli.options import config_option, data_folder, data_option, load
from agent.clock import ShopClock, SystemClock

__all__ = ["kiosk"]

_SIZES = ("1280x800", "1024x600", "800x1280")


@click.command(
    epilog="It needs the extra: pip install 'storeforward[kiosk]'. "
    "Example: storeforward kiosk --till till-3 --size 1280x800 --language ro"
)
@config_option
@data_option
@click.option(
    "--till", "till_id", default="till-1", show_default=True, help="The till it stands beside, e.g. --till till-3"
)
@click.option("--name", "kiosk_id", help="Its own name in events, e.g. --name kiosk-3. Default: by the till")
@click.option(
    "--face",
    type=click.Choice(["staff", "customer"]),
    default="staff",
    show_default=True,
    help="Who looks at it, e.g. --face customer: that one shows no history",
)
@click.option(
    "--language", type=click.Choice(["en", "es", "ro"]), default="en", show_default=True, help="e.g. --language ro"
)
@click.option(
    "--size", default=_SIZES[0], show_default=True, help=f"Window in pixels, e.g. --size {_SIZES[1]} or {_SIZES[2]}"
)
@click.option("--fullscreen", is_flag=True, help="Fill the screen.")
@click.option(
    "--density",
    type=click.FloatRange(0.5, 5),
    default=1.0,
    show_default=True,
    help="Pixels per dp, so that a button of 48 dp is 9 mm wide, e.g. --density 1.5",
)
@click.option(
    "--text-scale",
    type=click.FloatRange(0.8, 1.6),
    default=1.0,
    show_default=True,
    help="Larger text, e.g. --text-scale 1.3",
)
@click.option("--slots", type=click.IntRange(3, 5), help="Suggestion cards, e.g. --slots 5. Default: 3 or 4")
@click.option("--left-hand", is_flag=True, help="Cards and Undo on the left.")
@click.option("--idle", "idle_s", type=click.FloatRange(5, 3600), help="Seconds until it rests, e.g. --idle 60")
@click.option(
    "--theme",
    "theme_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Colours and sizes, e.g. --theme shop.toml",
)
@click.option("--offscreen", is_flag=True, help="Draw without a display, for simulations and tests.")
@click.option("--driven", is_flag=True, help="Take taps as JSON lines on stdin and tell what was painted on stdout.")
def kiosk(  # one parameter per option
    config_file: Path | None,
    data: Path | None,
    till_id: str,
    kiosk_id: str | None,
    face: str,
    language: str,
    size: str,
    density: float,
    text_scale: float,
    slots: int | None,
    idle_s: float | None,
    theme_file: Path | None,
    *,
    fullscreen: bool,
    left_hand: bool,
    offscreen: bool,
    driven: bool,
) -> None:
    """Show suggestions for the till's basket, and put what is tapped into it."""
    from kiosk.run import KioskOptions, run_kiosk  # noqa: PLC0415 - the kiosk is an extra
    from kiosk.screen.before_kivy import Window  # noqa: PLC0415 - as above
    from kiosk.state import Face  # noqa: PLC0415 - as above

    settings = load(config_file).settings
    folder = data_folder(data)
    name = kiosk_id or f"kiosk-{till_id.removeprefix('till-')}"
    width, height = _pixels(size)
    options = KioskOptions(
        socket=folder.socket,
        folder=folder.path / "kiosk" / name,
        till_id=till_id,
        kiosk_id=name,
        zone=ZoneInfo(settings.site.time_zone),
        window=Window(width, height, fullscreen, offscreen, density, text_scale),
        face=Face(face),
        language=language,
        slots=slots,
        left_hand=left_hand,
        idle_s=idle_s,
        theme_file=theme_file,
        driven=driven,
    )
    time = settings.clock
    simulated = ShopClock(time.starts_at, time.origin_s, time.speed) if time.starts_at else None
    run_kiosk(options, simulated or SystemClock())


def _pixels(size: str) -> tuple[int, int]:
    width, _, height = size.partition("x")
    if not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
        raise click.BadParameter(f"{size!r} is no size; expected WIDTHxHEIGHT such as 1280x800", param_hint="--size")
    if not (640 <= int(width) <= 7_680 and 480 <= int(height) <= 7_680):
        raise click.BadParameter("too small or too large; expected 640x480 to 7680x7680", param_hint="--size")
    return int(width), int(height)
