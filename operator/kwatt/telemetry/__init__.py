"""Reading of exporters, serving runtimes and Prometheus servers. I/O; everything read is untrusted."""
