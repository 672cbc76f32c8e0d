"""Many sources into one table: the same worker in a local pool or on Ray, resumable at any moment.

A journal beside the output holds the list as it was at the start and every finished answer. Workers
take one source at a time, so a kill repeats at most what they were examining.
"""
