"""Task-independent evaluation: bootstrap, calibration, span matching, speed."""
