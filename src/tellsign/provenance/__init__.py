"""Who says they made it: claims in the file, verified where they are signed. Not a detector."""

from tellsign.provenance.reader import read
from tellsign.provenance.trust import DEFAULT, INTEGRITY_ONLY, TrustPolicy

__all__ = ["DEFAULT", "INTEGRITY_ONLY", "TrustPolicy", "read"]
