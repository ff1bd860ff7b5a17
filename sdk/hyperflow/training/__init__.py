"""Training on a workstation: pretraining of a backbone, refinement of a drift network."""
