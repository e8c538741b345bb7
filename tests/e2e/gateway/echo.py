"""A stand-in for every service behind the gateway: it keeps what reaches it, and answers each call the same way."""

import concurrent.futures
import pathlib
import shutil
import subprocess
import tempfile
import threading

import grpc

import shop as front

HEALTH = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"
METADATA_MAX_BYTES = 65536  # as the services take it in, to refuse what is above 16 KiB
# What Envoy tells of itself only to tests.
TOLD = ("{ prefix: /listeners }]", "{ prefix: /listeners }, { prefix: /clusters }, { prefix: /config_dump }]")
SERVICES = ("orchestrator", "orchestrator_admin", "order_svc", "stock_svc", "payment_svc", "coupon_svc", "wallet_svc")


class Echo(grpc.GenericRpcHandler):
    def __init__(self, credentials=None, address="127.0.0.1:0"):
        """`credentials`: of a TLS server; none: in plaintext. `address`: of one that was stopped, to take its place."""
        self.peers = []  # who called, as TLS has proved it, of each in `calls`
        self.calls = []  # method and metadata of each, health checks apart
        self.requests = []  # the bytes of each of these
        self.pause_s = 0.0
        self.reply = b""
        self.code = None  # of grpc.StatusCode, to refuse every call
        self.early, self.late = (), ()  # metadata before the answer, if any, and behind it
        self.server = grpc.server(
            concurrent.futures.ThreadPoolExecutor(8), options=[("grpc.max_metadata_size", METADATA_MAX_BYTES)]
        )
        self.server.add_generic_rpc_handlers((self,))
        secure = credentials is not None
        port = self.server.add_secure_port(address, credentials) if secure else self.server.add_insecure_port(address)
        self.address = f"127.0.0.1:{port}"
        self.server.start()

    def service(self, handler_call_details):
        method = handler_call_details.method

        def answer(request, context):
            if method == HEALTH:
                return SERVING
            self.requests.append(request)
            self.calls.append((method, dict(context.invocation_metadata())))
            self.peers.append(context.auth_context())
            threading.Event().wait(self.pause_s)
            if self.early:
                context.send_initial_metadata(self.early)
            context.set_trailing_metadata(self.late)
            if self.code is not None:
                context.abort(self.code, "as the test says")
            return self.reply

        return grpc.unary_unary_rpc_method_handler(answer)

    def stop(self):
        self.server.stop(0).wait()


class Gateway:
    """Envoy before one Echo; `change` may rewrite the text of envoy.yaml first. `services`: others, by option."""

    def __init__(self, change=lambda text: text, arguments=(), services=None):
        self.echo = Echo()
        self.folder = tempfile.TemporaryDirectory(prefix="unwind-gateway-")
        folder = pathlib.Path(self.folder.name)
        for name in ("start.py", "envoy.yaml", "test_routes.yaml", "tracing.yaml"):
            shutil.copy(front.PROJECT / "gateway" / name, folder / name)
        shutil.copytree(front.PROJECT / "gateway/sds", folder / "sds")
        run = folder / "run"
        run.mkdir()
        (folder / "envoy.yaml").write_text(change((folder / "envoy.yaml").read_text()).replace(*TOLD))
        self.log = folder / "log"
        names = SERVICES + ("mock_pg",) * ("--test_listen=127.0.0.1:0" in arguments)
        services = services or dict.fromkeys(names, self.echo.address)
        doors = [f"--{door}=127.0.0.1:0" for door in ("listen", "admin_listen", "stats_listen")]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [
                    folder / "start.py",
                    f"--envoy={front.envoy()}",
                    f"--files={front.FILES}",
                    f"--run_folder={run}",
                    *doors,
                    *[f"--{name}={address}" for name, address in services.items()],
                    *arguments,
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self.addresses = front.await_file(run / "addresses", self.process, self.log)
        except AssertionError:
            self.stop()
            raise

    def rest(self, method, path, body=None, headers=None, door="gateway", source="127.0.0.1", tls=None):
        return front.call(self.addresses[door], method, path, body, headers, source, tls)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.echo.stop()
        self.folder.cleanup()
