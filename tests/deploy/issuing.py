"""What cert-manager would make of the Certificates of an overlay: secrets with tls.crt, tls.key and ca.crt."""

import subprocess

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
USES = {"server auth": "serverAuth", "client auth": "clientAuth", "digital signature": None}


def openssl(*arguments):
    done = subprocess.run(["openssl", "req", "-x509", *EC, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Issuer:
    def __init__(self, folder):
        self.crt, self.key = folder / "ca.crt", folder / "ca.key"
        openssl("-subj", "/CN=shop-ca", "-keyout", self.key, "-out", self.crt)

    def issue(self, spec, addresses, folder):
        """Into `folder` the secret of a Certificate's `spec`, for a holder who is at `addresses` too."""
        names = [f"URI:{uri}" for uri in spec.get("uris", ())] + [f"DNS:{name}" for name in spec.get("dnsNames", ())]
        names += [f"IP:{address}" for address in addresses]
        uses = [USES[use] for use in spec["usages"] if USES[use]]
        folder.mkdir(parents=True)
        openssl(
            *("-CA", self.crt, "-CAkey", self.key, "-subj", "/", "-keyout", folder / "tls.key", "-out", folder / "tls.crt"),
            *("-addext", "subjectAltName=" + ",".join(names)),
            *("-addext", "extendedKeyUsage=" + ",".join(uses), "-addext", "basicConstraints=critical,CA:FALSE"),
        )
        (folder / "ca.crt").write_bytes(self.crt.read_bytes())
