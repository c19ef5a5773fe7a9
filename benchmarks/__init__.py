"""Side-by-side timings in one run, reported as ratios with the machine they were taken on."""
