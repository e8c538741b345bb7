"""A gateway with TLS and tokens, before stand-ins for the services."""

import pathlib
import ssl
import tempfile

import grpc
from cryptography.hazmat.primitives.asymmetric import rsa

import authority
import echo

ORDER = "/api/v1/orders/o-1"  # of one member
IDENTITIES = {
    "orchestrator": "orchestrator",
    "orchestrator_admin": "orchestrator",
    "order_svc": "order_svc",
    "stock_svc": "stock_svc",
    "payment_svc": "payment_svc",
    "coupon_svc": "coupon_svc",
    "wallet_svc": "wallet_svc",
}


class Secure:
    """A gateway of an authority of its own, before an Echo in each service's place."""

    def __init__(self, certificates=None, volumes=False):
        """`certificates`: what services show instead of their own, by the gateway's options; None: plaintext.
        `volumes`: the secrets are such of Kubernetes."""
        self.folder = tempfile.TemporaryDirectory(prefix="unwind-secure-")
        self.secrets = pathlib.Path(self.folder.name) / "secrets"
        self.volumes = {}
        self.ca, self.stranger = authority.Authority(), authority.Authority("Another CA")
        self.signer = authority.Signer("ec-1")
        self.rsa_signer = authority.Signer("rsa-1", rsa.generate_private_key(65537, 2048))
        self.revoked = self.ca.service("orchestrator")
        self.revoked_operator = self.ca.service("operator")
        self.show("front", self.ca.issue())
        self.show("gateway", self.ca.service("gateway"))
        self.show("operators_gateway", self.ca.service("operators_gateway"))
        authority.replace(self.secrets / "gateway/ca.crt", self.ca.pem)
        self.revoke(self.revoked[0], self.revoked_operator[0])
        authority.replace(self.secrets / "jwks.json", authority.key_set(self.signer, self.rsa_signer))
        folders = ("front", "gateway", "operators_gateway") if volumes else ()
        self.volumes = {name: authority.Volume(self.secrets / name) for name in folders}
        shown = {name: self.ca.service(identity) for name, identity in IDENTITIES.items()}
        shown.update(certificates(self) if certificates else {})
        self.echoes = {name: echo.Echo(self.server(pair)) for name, pair in shown.items()}
        self.gateway = echo.Gateway(
            arguments=[f"--secrets={self.secrets}"],
            services={name: each.address for name, each in self.echoes.items()},
        )

    def server(self, pair):
        return pair and grpc.ssl_server_credentials([(pair[1], pair[0])], self.ca.pem, require_client_auth=True)

    def write(self, who, files):
        if who in self.volumes:
            return self.volumes[who].change(files)
        for name, data in files.items():
            authority.replace(self.secrets / who / name, data)

    def show(self, who, pair):
        self.write(who, dict(zip(("tls.crt", "tls.key"), pair)))

    def revoke(self, *certificates):
        self.write("gateway", {"crl.pem": self.ca.revoked(*certificates)})

    def client(self, pair=None):
        """An ssl.SSLContext that trusts the authority, and shows the certificate."""
        context = ssl.create_default_context(cadata=self.ca.pem.decode())
        if pair:
            with tempfile.NamedTemporaryFile(dir=self.folder.name) as file:
                file.write(b"".join(pair))
                file.flush()
                context.load_cert_chain(file.name)
        return context

    def buy(self, token=None, path=ORDER, method="GET", body=None, **headers):
        """One request at the buyers' door."""
        bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.gateway.rest(method, path, body, {**bearer, **headers}, tls=self.client())

    def operate(self, pair, headers=None, path="/api/v1/sagas"):
        """One request at the operators' door, with a certificate. None: there was no answer."""
        try:
            return self.gateway.rest("GET", path, None, headers, "gateway_admin", tls=self.client(pair))
        except OSError:
            return None

    def calls(self):
        return [each for one in self.echoes.values() for each in one.calls]

    def forget(self):
        for each in self.echoes.values():
            each.calls.clear()
            each.peers.clear()

    def stop(self):
        self.gateway.stop()
        for each in self.echoes.values():
            each.stop()
        self.folder.cleanup()
