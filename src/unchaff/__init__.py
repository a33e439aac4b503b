"""Repair neural networks that were trained on noisy data."""
