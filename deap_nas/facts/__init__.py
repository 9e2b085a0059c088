"""What a population file says of its run, computed in one place for all who show it."""
