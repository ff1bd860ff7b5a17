"""The board: what it is and how it is set up, from its files and small tools. No library of the GPU is needed."""
