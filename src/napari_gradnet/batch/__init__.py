"""Many files and large volumes: jobs made of units, and what runs them."""
