"""Once a month, for each edge, how long ago its links were last heard of."""
