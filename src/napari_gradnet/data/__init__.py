"""Training data: images in memory, patches cut from them in batches."""
