"""Small generators that anybody can train on a CPU in minutes, for teaching and experiments."""
