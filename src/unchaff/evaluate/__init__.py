"""Accuracy, detection, calibration and cost; with bench, the only reader of the truth."""
