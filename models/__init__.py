"""What we learn: encoder, matcher, calibration, training, evaluation."""
