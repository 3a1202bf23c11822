"""A store on a laptop: tills, sensors, the cloud twin and network faults around the real agent."""

__all__: list[str] = []
