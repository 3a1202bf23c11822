"""Looks at one agent's machine, folder and settings, and says what needs somebody and what to do."""

from agent.doctor.examination import CHECKS, Check, examine
from agent.doctor.finding import Finding, Severity
from agent.doctor.patient import AgentAnswer, Patient

__all__ = ["CHECKS", "AgentAnswer", "Check", "Finding", "Patient", "Severity", "examine"]
