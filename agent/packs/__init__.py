"""Packs: sets of data sent down in chunks, such as the catalogue and the offers; verified whole before they count."""

from agent.packs.inbox import PackInbox
from agent.packs.manifest import Manifest, PackRefused, parse_manifest
from agent.packs.offers import Offer, OfferBook
from agent.packs.packs import Packs
from agent.packs.shelf import PackShelf

__all__ = ["Manifest", "Offer", "OfferBook", "PackInbox", "PackRefused", "PackShelf", "Packs", "parse_manifest"]
