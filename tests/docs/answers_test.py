"""The table of codes in docs/DEFINITIONS.md, "How answers are read": a participant answers each, and the saga's history
says what the orchestrator made of it. And the defaults of the tables there."""

import collections
import concurrent.futures
import json
import pathlib
import re
import subprocess
import tempfile
import unittest

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import document
import shop as front
from definitions_test import rows_under

PROTO = """syntax = "proto3";
package answers.v1;
service Served {
  rpc Undone(Ask) returns (Told);
  rpc Resolved(Ask) returns (Told);
}
service Lab {
  rpc Do(Ask) returns (Told);
  rpc Undo(Ask) returns (Told);
  rpc Find(Ask) returns (Told);
}
message Ask { string id = 1; string script = 2; }
message Told {}
message Info { string reason = 1; string domain = 2; }  // as google.rpc.ErrorInfo is on the wire
message Any { string type_url = 1; bytes value = 2; }
message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
"""
UNDONE = """saga: undone
version: 1
serves: answers.v1.Served/Undone
steps:
  - name: do
    action: answers.v1.Lab/Do
    request: { id: saga.id, script: input.script }
    compensation: answers.v1.Lab/Undo
    compensation_request: { id: saga.id, script: input.script }
    retry: { attempts: 1 }
"""
RESOLVED = """saga: resolved
version: 1
serves: answers.v1.Served/Resolved
steps:
  - name: do
    kind: pivot
    action: answers.v1.Lab/Do
    request: { id: saga.id, script: input.script }
    resolve: answers.v1.Lab/Find
"""
CODES = {code.name: code.value[0] for code in grpc.StatusCode}
REASONS = ("ANY", "FENCED", "NEVER_HAPPENED")
PATIENCE_S = 60


def table():
    """The outcomes of an action and of a resolve, by code and reason, as the document has them."""
    told = {}
    for cells in rows_under("How answers are read"):
        if not set(cells[0].split(", ")) <= set(CODES):
            continue  # of another table
        codes, action, resolve = cells
        for code in codes.split(", "):
            for reason in REASONS:
                told[code, reason] = outcome(action, reason), outcome(resolve.rstrip(" |"), reason)
    return told


def outcome(cell, reason):
    """What a cell says of a reason."""
    if match := re.match(r"(\w+) if the reason is (\w+), else (\w+)$", cell):
        return match[1] if reason == match[2] else match[3]
    if match := re.match(r"it never happened, if the reason is (\w+); else ask again$", cell):
        return "REFUSED" if reason == match[1] else "UNKNOWN"
    return {"ask again": "UNKNOWN"}.get(cell, cell.partition(":")[0])


class Lab:
    """Answers a phase's call as the request's script says, `{phase: [code, reason]}`; OK where it says nothing."""

    def __init__(self, types):
        self.types = types
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
        handler = grpc.unary_unary_rpc_method_handler(
            self.answer, types("Ask").FromString, lambda message: message.SerializeToString()
        )
        methods = {name: handler for name in ("Do", "Undo", "Find")}
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("answers.v1.Lab", methods),))
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def answer(self, request, context):
        phase = dict(context.invocation_metadata())["saga-phase"]
        code, reason = json.loads(request.script).get(phase, ("OK", ""))
        if code == "OK":
            return self.types("Told")()
        value = self.types("Info")(reason=reason, domain="answers").SerializeToString()
        detail = self.types("Any")(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=value)
        status = self.types("Status")(code=CODES[code], message=reason, details=[detail])
        context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
        context.abort(getattr(grpc.StatusCode, code), reason)


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory(prefix="unwind-answers-")
        cls.addClassCleanup(temporary.cleanup)
        folder = pathlib.Path(temporary.name)
        for name, text in [("answers.proto", PROTO), ("undone.yaml", UNDONE), ("resolved.yaml", RESOLVED)]:
            (folder / name).write_text(text)
        subprocess.run(
            ["protoc", f"-I{folder}", f"--descriptor_set_out={folder}/answers.protoset", "answers.proto"], check=True
        )
        pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString((folder / "answers.protoset").read_bytes()).file:
            pool.Add(file)
        factory = message_factory.MessageFactory(pool)
        cls.types = lambda _, name: factory.GetPrototype(pool.FindMessageTypeByName("answers.v1." + name))
        cls.lab = Lab(lambda name: cls.types(None, name))
        cls.addClassCleanup(lambda: cls.lab.server.stop(None).wait())
        cls.orchestrator = subprocess.Popen(
            [document.BIN / "orchestrator", "--listen=127.0.0.1:0", f"--port_file={folder}/port", f"--db={folder}/db",
             f"--descriptors={folder}/answers.protoset", f"--definitions={folder}/undone.yaml,{folder}/resolved.yaml",
             f"--participants=answers.v1.Lab={cls.lab.address}"],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        cls.addClassCleanup(cls.orchestrator.wait)
        cls.addClassCleanup(cls.orchestrator.kill)
        document.eventually(lambda: (folder / "port").exists())
        ports = (folder / "port").read_text().split()
        cls.channel = grpc.insecure_channel(f"127.0.0.1:{ports[0]}")
        cls.addClassCleanup(cls.channel.close)
        cls.protos = front.Protos()
        cls.admin = f"127.0.0.1:{ports[ports.index('admin') + 1]}"

    def outcome_of(self, definition, key, phase):
        """That of the first call of the phase, once it was answered."""

        def answered():
            try:
                saga = self.ask("GetSaga", {"definition": definition, "key": key})
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.NOT_FOUND)  # not yet
                return None
            for entry in self.ask("GetHistory", {"saga_id": saga["sagaId"]})["entries"]:
                if (entry["phase"], entry["event"]) == (f"PHASE_{phase.upper()}", "replied"):
                    return entry["outcome"].removeprefix("OUTCOME_")
            return None

        return document.eventually(answered)

    def ask(self, method, request):
        return self.protos.call(self.admin, f"/saga.v1.SagaService/{method}", request)

    def start(self, method, key, script):
        stub = self.channel.unary_unary(
            f"/answers.v1.Served/{method}", lambda m: m.SerializeToString(), self.types("Told").FromString
        )
        request = self.types("Ask")(script=json.dumps(script))
        return stub.future(request, timeout=PATIENCE_S, metadata=[("idempotency-key", key)])

    def test_each_code_is_read_as_the_table_says(self):
        told = table()
        self.assertEqual({code for code, _ in told}, set(CODES))
        calls, expected = [], []
        for (code, reason), (action, resolve) in told.items():
            key = f"{code}-{reason}"
            calls.append(self.start("Undone", key, {"action": (code, reason)}))
            calls.append(self.start("Undone", "c-" + key, {"action": ("NOT_FOUND", ""), "compensation": (code, reason)}))
            calls.append(self.start("Resolved", key, {"action": ("UNKNOWN", ""), "resolve": (code, reason)}))
            expected += [
                ("undone", key, "action", action),
                ("undone", "c-" + key, "compensation", action),
                ("resolved", key, "resolve", resolve),
            ]
        for definition, key, phase, outcome in expected:
            with self.subTest(f"{key} of {phase}"):
                self.assertEqual(self.outcome_of(definition, key, phase), outcome)
        for call in calls:
            call.cancel()


class Defaults(unittest.TestCase):
    def test_those_of_numbers_and_durations_are_the_plan_s(self):
        plan = (document.PROJECT / "orchestrator/core/plan.h").read_text()
        units = {"Milliseconds": "ms", "Seconds": "s", "Minutes": "m"}
        defaults = collections.defaultdict(list)  # of `retry` and of `pending`
        for cells in rows_under("The file", "A step"):
            names = re.findall(r"^`(\w+)`", cells[0]) + re.findall(r"^`(attempts|backoff|poll|cap)`", cells[1])
            if names:
                defaults[names[-1]].append(cells[2])
        for name in ("refusals_max", "attempts", "backoff", "poll", "cap", "timeout"):
            values = re.findall(rf"\b{name} = (?:absl::(\w+)\()?(\d+)\)?;", plan)
            self.assertEqual(defaults[name], [number + units.get(unit, "") for unit, number in values], name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
