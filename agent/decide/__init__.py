"""Decisions at the till: what to suggest for a basket and why, learned on the device from its own sales."""

from agent.decide.adviser import Adviser
from agent.decide.decision import (
    SLOTS_MAX,
    Decision,
    DecisionRequest,
    Reason,
    ReasonKind,
    Removed,
    Rule,
    Suggestion,
)
from agent.decide.desk import DecisionsBusy
from agent.decide.engine import DecisionEngine
from agent.decide.exposure import Exposure, ExposureBoard
from agent.decide.facts import BoughtBasket, CustomerFact, StockFact, basket_key
from agent.decide.learner import Learner
from agent.decide.part import Decisions
from agent.decide.solved import SolvedModel, SolveFailed
from agent.decide.solver import ModelKeeper
from agent.decide.tables import FILE_NAME, LearnedUnreadable
from agent.decide.tables_learned import LearnedTables
from agent.decide.tables_model import LearnedModel
from agent.decide.tables_shelf import Shelf

__all__ = [
    "FILE_NAME",
    "SLOTS_MAX",
    "Adviser",
    "BoughtBasket",
    "CustomerFact",
    "Decision",
    "DecisionEngine",
    "DecisionRequest",
    "Decisions",
    "DecisionsBusy",
    "Exposure",
    "ExposureBoard",
    "LearnedModel",
    "LearnedTables",
    "LearnedUnreadable",
    "Learner",
    "ModelKeeper",
    "Reason",
    "ReasonKind",
    "Removed",
    "Rule",
    "Shelf",
    "SolveFailed",
    "SolvedModel",
    "StockFact",
    "Suggestion",
    "basket_key",
]
