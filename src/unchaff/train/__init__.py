"""Training: one loop, its schedule, augmentation on batches."""
