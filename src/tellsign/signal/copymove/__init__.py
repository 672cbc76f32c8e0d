"""Search for places of one picture that are copies of each other.

`search.duplicates` is the way in; candidates come from `exact` (bit-equal blocks), `keypoints` and
`dense`, are grouped into transforms by `grouping` and stand or fall with `verify`.
"""
