"""One file per learner: ``fit(job)`` trains from the bank and writes an artifact."""
