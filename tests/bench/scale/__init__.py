"""The benchmark behind `make bench-cluster`: a thousand nodes with pods, and ten thousand services."""
