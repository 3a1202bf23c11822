"""The cloud's side: a ledger of what has arrived, receipts for each device, and the reconciliation of both ends.

`CloudTwin` is imported from `sim.cloud.twin`: it alone needs an MQTT client.
"""

from sim.cloud.ledger import Ledger, Outcome
from sim.cloud.reconcile import Reconciliation, StreamCheck, reconcile
from sim.cloud.schema import LedgerUnusable

__all__ = ["Ledger", "LedgerUnusable", "Outcome", "Reconciliation", "StreamCheck", "reconcile"]
