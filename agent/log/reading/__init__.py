"""How the log is read: by the agent's own consumers, and by programs beside a running or stopped agent."""
