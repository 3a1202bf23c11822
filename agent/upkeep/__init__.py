"""What keeps a running agent's log, clock and identity in order, and the desks where people decide about its events."""
