"""Room 3: memory and judgement. Tracking and registry on MLflow, and the pure promotion rule."""
