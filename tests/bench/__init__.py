"""What `make bench` runs: the pair beside its peers and the least work there is."""
