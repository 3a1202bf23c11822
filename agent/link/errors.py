"""What can go wrong between us and a broker; every text says in plain words what to look at."""

from agent.errors import CallerError, EnvironmentFault, PeerError
from agent.link.reasons import reason_name

__all__ = [
    "BrokerRefused",
    "BrokerUnreachable",
    "ConnectUnanswered",
    "ConnectionLost",
    "EndedByUs",
    "LinkMisconfigured",
    "MessageTooLarge",
    "ReceiptRefused",
    "SubscriptionRefused",
]


class LinkMisconfigured(CallerError):
    """Settings that no connection can be made with, such as plaintext to another machine."""


class BrokerUnreachable(EnvironmentFault):
    """No MQTT connection came about: name, route, port, certificate or time-out."""


class ConnectUnanswered(BrokerUnreachable):
    """The peer ended the connection when it saw our CONNECT, or its answer was no CONNACK that we can accept."""


class BrokerRefused(PeerError):
    """The broker answered CONNECT with a refusal; `code` is its MQTT 5 reason code."""

    def __init__(self, broker: str, code: int, version: str = "5") -> None:
        words = _REFUSALS.get(code, "").format(version=version)
        super().__init__(f"{broker} refused the connection: {words or reason_name(code)}")
        self.code = code


class ConnectionLost(EnvironmentFault):
    """A connection that was there is gone; `code` is the broker's MQTT 5 reason code, 0 when it gave none."""

    def __init__(self, reason: str, code: int = 0) -> None:
        super().__init__(reason)
        self.code = code


class EndedByUs(ConnectionLost):
    """A connection that we gave up: silent for too long, or another one has to begin with something else."""


class MessageTooLarge(EndedByUs):
    """The broker sent more than we take at a time; `topic` is its topic, empty where that could not be read."""

    def __init__(self, reason: str, topic: str) -> None:
        super().__init__(reason)
        self.topic = topic


class SubscriptionRefused(PeerError):
    """The broker does not let us listen to a topic."""

    def __init__(self, topic_filter: str, code: int) -> None:
        super().__init__(f"the broker refused the subscription to {topic_filter}: {reason_name(code)}")
        self.code = code


class ReceiptRefused(PeerError):
    """A message on the receipt topic that is not a receipt; the text says where it goes wrong."""


_REFUSALS = {
    0x84: "it does not speak MQTT {version} (0x84 unsupported protocol version)",
    0x85: "it does not accept this client id (0x85 client identifier not valid)",
    0x86: "wrong user name or password (0x86 bad user name or password)",
    0x87: "this device may not connect (0x87 not authorized)",
}
