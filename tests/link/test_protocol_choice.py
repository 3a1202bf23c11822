"""Which MQTT is spoken next: by the broker's words, by its silence, and by the setting."""

import pytest

from agent.link.errors import BrokerRefused, BrokerUnreachable, ConnectUnanswered
from agent.link.protocol_choice import ASK_AGAIN_AFTER_S, MqttVersion, ProtocolChoice

UNSUPPORTED = BrokerRefused("broker", 0x84)
UNANSWERED = ConnectUnanswered("hung up")


def test_a_broker_that_refuses_mqtt_5_is_spoken_to_in_3_1_1() -> None:
    choice = ProtocolChoice("auto")
    assert choice.version(0.0) is MqttVersion.V5
    assert choice.failed(UNSUPPORTED, 0.0) is MqttVersion.V3
    assert choice.version(1.0) is MqttVersion.V3


def test_one_that_hangs_up_has_to_do_so_twice() -> None:
    choice = ProtocolChoice("auto")
    assert choice.failed(UNANSWERED, 0.0) is None
    assert choice.failed(UNANSWERED, 1.0) is MqttVersion.V3


def test_a_connection_in_between_forgives_the_first_time() -> None:
    choice = ProtocolChoice("auto")
    choice.failed(UNANSWERED, 0.0)
    choice.connected()
    assert choice.failed(UNANSWERED, 1.0) is None
    assert choice.version(1.0) is MqttVersion.V5


def test_one_that_has_spoken_5_is_away_and_not_old_when_its_door_hangs_up() -> None:
    choice = ProtocolChoice("auto")
    choice.connected()
    for _ in range(10):
        assert choice.failed(UNANSWERED, 0.0) is None
    assert choice.failed(UNSUPPORTED, 1.0) is MqttVersion.V3
    for _ in range(2):
        choice.failed(UNANSWERED, 2.0)
    assert choice.version(3.0) is MqttVersion.V5


@pytest.mark.parametrize("failure", [BrokerRefused("broker", 0x86), BrokerUnreachable("no route"), OSError()])
def test_no_other_failure_changes_the_version(failure: Exception) -> None:
    choice = ProtocolChoice("auto")
    for _ in range(10):
        assert choice.failed(failure, 0.0) is None
    assert choice.version(0.0) is MqttVersion.V5


def test_one_that_takes_neither_is_tried_with_both_in_turn() -> None:
    choice = ProtocolChoice("auto")
    found = []
    for _ in range(8):
        found.append(choice.version(0.0))
        choice.failed(UNANSWERED, 0.0)
    assert found == [MqttVersion.V5, MqttVersion.V5, MqttVersion.V3, MqttVersion.V3] * 2


def test_after_a_while_mqtt_5_is_asked_for_again() -> None:
    choice = ProtocolChoice("auto")
    choice.failed(UNSUPPORTED, 100.0)
    choice.connected()
    assert choice.version(100.0 + ASK_AGAIN_AFTER_S) is MqttVersion.V3
    assert choice.version(101.0 + ASK_AGAIN_AFTER_S) is MqttVersion.V5
    assert choice.failed(UNSUPPORTED, 102.0 + ASK_AGAIN_AFTER_S) is MqttVersion.V3


@pytest.mark.parametrize("version", list(MqttVersion))
def test_what_the_settings_say_is_never_changed(version: MqttVersion) -> None:
    choice = ProtocolChoice(version.value)
    for now_s in (0.0, 1.0, 2.0, 10_000.0):
        assert choice.failed(UNSUPPORTED, now_s) is None
        assert choice.failed(UNANSWERED, now_s) is None
        assert choice.version(now_s) is version
