"""A certificate authority of a test's own, and the tokens of an identity provider."""

import base64
import datetime
import ipaddress
import json
import pathlib
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SPIFFE = "spiffe://shop.example/ns/prod/sa/"
ISSUER, AUDIENCE = "https://identity.shop.example", "shop"
DAY = datetime.timedelta(days=1)


def replace(path, data):
    """The file as a whole, by a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_bytes(data if isinstance(data, bytes) else data.encode())
    draft.rename(path)


class Volume:
    """A folder as Kubernetes keeps one of a secret: links through the link ..data, which alone changes."""

    def __init__(self, folder):
        self.folder, self.files, self.number = folder, {each.name: each.read_bytes() for each in folder.iterdir()}, 0
        self.change({})
        for name in self.files:
            (folder / name).unlink()
            (folder / name).symlink_to(pathlib.Path("..data") / name)

    def change(self, files):
        self.files.update(files)
        self.number += 1
        generation = self.folder / f"..{self.number}"
        generation.mkdir()
        for name, data in self.files.items():
            (generation / name).write_bytes(data)
        link = self.folder / "..data_tmp"
        link.symlink_to(generation.name)
        link.rename(self.folder / "..data")


class Authority:
    def __init__(self, name="Test CA"):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        draft = self._draft(self.name, self.key, -DAY, DAY)
        draft = draft.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = draft.sign(self.key, hashes.SHA256())
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)

    def _draft(self, subject, key, begins, ends):
        now = datetime.datetime.utcnow()
        draft = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
        draft = draft.serial_number(x509.random_serial_number())
        return draft.not_valid_before(now + begins).not_valid_after(now + ends)

    def issue(self, *uris, begins=-DAY, ends=DAY):
        """The certificate and the key, as PEM, of an owner with these URIs, on loopback."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.UniformResourceIdentifier(uri) for uri in uris]
        names += [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        draft = self._draft(subject, key, begins, ends).add_extension(x509.SubjectAlternativeName(names), critical=False)
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        draft = draft.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        made = draft.sign(self.key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM), key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def service(self, name, **dates):
        return self.issue(SPIFFE + name, **dates)

    def revoked(self, *certificates):
        """The list of the certificates (PEM) that it has revoked."""
        now = datetime.datetime.utcnow()
        made = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(now - DAY).next_update(now + DAY)
        for each in certificates:
            serial = x509.load_pem_x509_certificate(each).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - DAY).build()
            made = made.add_revoked_certificate(entry)
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    """One key of an identity provider. `kid` is its name in the key set."""

    def __init__(self, kid, key=None):
        self.kid = kid
        self.key = key or ec.generate_private_key(ec.SECP256R1())

    def jwk(self):
        numbers = self.key.public_key().public_numbers()
        if isinstance(self.key, rsa.RSAPrivateKey):
            n, e = (value.to_bytes((value.bit_length() + 7) // 8, "big") for value in (numbers.n, numbers.e))
            return {"kty": "RSA", "alg": "RS256", "kid": self.kid, "n": url64(n), "e": url64(e)}
        x, y = (value.to_bytes(32, "big") for value in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": self.kid, "x": url64(x), "y": url64(y)}

    def token(self, member="mina", header=None, **claims):
        """A good token but for what `header` and `claims` change; a claim that is None is left out."""
        now = int(time.time())
        payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": member, "iat": now, "exp": now + 600, **claims}
        head = {"alg": "RS256" if isinstance(self.key, rsa.RSAPrivateKey) else "ES256", "kid": self.kid, **(header or {})}
        parts = ({name: value for name, value in part.items() if value is not None} for part in (head, payload))
        signed = ".".join(url64(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{url64(self.signature(signed.encode()))}"

    def signature(self, signed):
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        r, s = utils.decode_dss_signature(self.key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def key_set(*signers):
    return json.dumps({"keys": [each.jwk() for each in signers]})
