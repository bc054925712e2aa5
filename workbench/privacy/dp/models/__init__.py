"""Models trained on a protected table in the coordinating body's room: asked for, priced, trained, told."""
