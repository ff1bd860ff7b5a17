"""The adaptable part: which parameters move, how they enter the backbone, and the prototype head on top."""
