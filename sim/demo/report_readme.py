"""The words in a report's README.txt; every command in it is run by a test."""

from typing import Final

__all__ = ["README"]

README: Final = """\
Storeforward demo report
========================

summary.json    the outcome, as `storeforward demo --json` prints it; absent when the demo did not end by itself
log-depth.png   how many events waited in the log over time, and what the cloud had (log-depth.svg: the same)
terminal.svg    what the terminal showed while the network was cut
samples.csv     the figures behind the pictures, four times a second
kiosk-*.png     the kiosks during the day, where there were any: kiosk-suggestions.png shows a basket with suggestions
                and their reasons, kiosk-offline.png the network cut, kiosk-accepted.png an item the till has taken in,
                kiosk-stopped.png the vehicles after Stop vehicles was touched
kiosk.log       what the kiosks had to say besides
agent.log       what the agent had to say; storeforward.toml is the settings file it ran with
data/           the agent's data folder; data/log/events.sqlite is the event log
cloud/          the cloud's side; cloud/ledger.sqlite is the ledger: each event it accepted, once
vehicles/       one folder for each vehicle, where there were any: agv-1/truth.jsonl is what it physically did

The next demo into this folder replaces these files and folders and touches nothing else.


Count for yourself
------------------
Inside this folder, with the sqlite3 command (Debian: apt install sqlite3).

Events in the shop's log, by stream:

  sqlite3 data/log/events.sqlite "SELECT stream, count(*) FROM event GROUP BY stream ORDER BY stream"

Events in the cloud's ledger, by stream; the two lists are the same:

  sqlite3 cloud/ledger.sqlite "SELECT s.stream, count(*) FROM events e JOIN streams s ON s.number = e.stream WHERE e.counted = 1 GROUP BY s.stream ORDER BY s.stream"

Missing: events of the log without an effect in the ledger:

  sqlite3 data/log/events.sqlite "ATTACH 'cloud/ledger.sqlite' AS cloud; SELECT count(*) FROM event e WHERE NOT EXISTS (SELECT 1 FROM cloud.events c WHERE c.id = e.id AND c.source = e.source AND c.counted = 1)"

Duplicate: events that took effect more than once:

  sqlite3 cloud/ledger.sqlite "SELECT count(*) FROM (SELECT 1 FROM events WHERE counted = 1 GROUP BY source, id HAVING count(*) > 1)"

Conflicts, and gaps that the ledger knows of:

  sqlite3 cloud/ledger.sqlite "SELECT (SELECT count(*) FROM conflicts), (SELECT count(*) FROM holes WHERE kind = 'missing')"

Money taken, as the cloud has it:

  sqlite3 cloud/ledger.sqlite "SELECT currency, sales, total FROM totals"
"""  # noqa: E501 - a command is one line
