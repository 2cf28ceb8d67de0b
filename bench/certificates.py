"""A certificate for the mock's TLS port, and the authority that the servers under test trust. Made anew for each run."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Certificates:
    """Two files."""

    authority: Path
    server: Path


def make_certificates(folder: Path) -> Certificates:
    """Write them into the run's own folder."""
    authority = trustme.CA()
    made = Certificates(folder / "authority.pem", folder / "server.pem")
    authority.cert_pem.write_to_path(made.authority)
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(made.server)
    return made
