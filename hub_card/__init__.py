"""Templates of what is shown on the Hub."""
