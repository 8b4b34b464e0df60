"""The benchmark of rates that follow their demand."""
