"""The sample access lists for three brokers grant the same, to devices and to the cloud side."""

import re
from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree as ET

from tests.link.sample_broker import SAMPLES

Right = tuple[str, str, str]
"""Who (`device` or `cloud`), what (`publish`, `subscribe`), topic filter with `ID` for the device's own levels."""

ALSO: Final = {"write": ("publish",), "read": ("subscribe",), "all": ("publish", "subscribe")}


def text(name: str) -> str:
    return (SAMPLES / name).read_text(encoding="utf-8")


def mosquitto_rights() -> Iterator[Right]:
    for line in text("mosquitto/storeforward.acl").splitlines():
        if found := re.fullmatch(r"(pattern|topic) (readwrite|read|write) (\S+)", line):
            who = "device" if found[1] == "pattern" else "cloud"
            for action in ALSO[found[2].replace("readwrite", "all")]:
                yield who, action, found[3].replace("%u", "ID")


def emqx_rights() -> Iterator[Right]:
    rule = re.compile(r'\{allow, (all|\{username, "cloud"\}), (\w+), \[(.*?)\]\}\.', re.DOTALL)
    for who, action, topics in rule.findall(text("emqx/acl.conf")):
        for topic in re.findall(r'"([^"]+)"', topics):
            for one in ALSO.get(action, (action,)):
                own = topic.replace("${client_attrs.site}/${client_attrs.device}", "ID")
                yield ("device" if who == "all" else "cloud"), one, own


def hivemq_rights() -> Iterator[Right]:
    root = ET.fromstring(text("hivemq/credentials.xml"))
    for role in root.iter("role"):
        for permission in role.iter("permission"):
            action = (permission.findtext("activity") or "").lower()
            for one in ALSO.get(action, (action,)):
                topic = (permission.findtext("topic") or "").replace("${{username}}", "ID")
                yield role.findtext("id") or "", one, topic


def test_all_three_grant_the_same() -> None:
    mosquitto, emqx, hivemq = map(set, (mosquitto_rights(), emqx_rights(), hivemq_rights()))
    assert emqx == mosquitto
    assert hivemq == mosquitto
    assert len(mosquitto) == 19


def test_a_device_may_write_nothing_but_its_own_topics() -> None:
    written = {topic for who, action, topic in mosquitto_rights() if (who, action) == ("device", "publish")}
    assert all(topic.startswith("sf/v1/ID/") for topic in written)


def test_what_no_rule_allows_is_refused() -> None:
    assert "allow_anonymous false" in text("mosquitto/storeforward.conf")
    assert text("emqx/acl.conf").rstrip().endswith("{deny, all}.")
    assert "no_match = deny" in text("emqx/emqx.conf")
