"""Delivery to the cloud over MQTT: what is acknowledged is delivered, and nothing else is."""

from agent.link.backoff import Backoff
from agent.link.beside import Run
from agent.link.broker_access import BrokerAccess, files_seen
from agent.link.connection import Login, Message, MqttConnection, PubAck, ServerLimits, Will
from agent.link.device_certificate import DeviceCertificate
from agent.link.device_state import StateMessage, WillMessage
from agent.link.dial import Endpoint, tls_context
from agent.link.errors import (
    BrokerRefused,
    BrokerUnreachable,
    ConnectionLost,
    ConnectUnanswered,
    LinkMisconfigured,
    ReceiptRefused,
    SubscriptionRefused,
)
from agent.link.link import Link
from agent.link.protocol_choice import MqttVersion, ProtocolChoice
from agent.link.receipts import DayAnswer, Receipts, StreamReceipt
from agent.link.replay import ReplayedStream, ReplayState, ReplayStatus
from agent.link.session import BATCH_CONTENT_TYPE, EVENT_CONTENT_TYPE
from agent.link.status import LinkState, LinkStatus, ParkedStatus

__all__ = [
    "BATCH_CONTENT_TYPE",
    "EVENT_CONTENT_TYPE",
    "Backoff",
    "BrokerAccess",
    "BrokerRefused",
    "BrokerUnreachable",
    "ConnectUnanswered",
    "ConnectionLost",
    "DayAnswer",
    "DeviceCertificate",
    "Endpoint",
    "Link",
    "LinkMisconfigured",
    "LinkState",
    "LinkStatus",
    "Login",
    "Message",
    "MqttConnection",
    "MqttVersion",
    "ParkedStatus",
    "ProtocolChoice",
    "PubAck",
    "ReceiptRefused",
    "Receipts",
    "ReplayState",
    "ReplayStatus",
    "ReplayedStream",
    "Run",
    "ServerLimits",
    "StateMessage",
    "StreamReceipt",
    "SubscriptionRefused",
    "Will",
    "WillMessage",
    "files_seen",
    "tls_context",
]
