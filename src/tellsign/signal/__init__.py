"""Signal processing shared by detectors: pure functions over arrays."""
