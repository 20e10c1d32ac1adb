"""Training: a generator of events, resumable from its run folder."""
