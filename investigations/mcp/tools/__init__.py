"""The tools, one file for each noun. A docstring's first lines are what a model reads before it chooses."""
