"""Room 2: learning and speaking. Encoders, training, sweep, evaluation, predictor, explanations."""
