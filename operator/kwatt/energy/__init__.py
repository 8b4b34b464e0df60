"""Energy from samples of power: attribution, integration, efficiency. Pure: integers in, values out."""
