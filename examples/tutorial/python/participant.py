"""participant.py ADDRESS DATABASE: tables and cakes, two services that take part in a saga.

Once keeps the contract of docs/PARTICIPANTS.md for any business; the four functions above it are the business.
"""

import concurrent.futures
import contextlib
import sqlite3
import sys

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

import party_pb2 as party
import party_pb2_grpc

SCHEMA = """
CREATE TABLE IF NOT EXISTS holds (hold TEXT PRIMARY KEY, guest TEXT);
CREATE TABLE IF NOT EXISTS cakes (id TEXT PRIMARY KEY, cake TEXT);
CREATE TABLE IF NOT EXISTS calls (saga TEXT, step TEXT, phase TEXT, request BLOB, answer BLOB, refusal TEXT,
                                  PRIMARY KEY (saga, step, phase));
"""


class Refusal(Exception):
    """No, and why. Said before anything is written."""


def hold(db, request):
    table = db.execute("INSERT INTO holds VALUES (?, ?)", (request.hold_id, request.guest)).lastrowid
    return party.HoldResponse(table=table)


def free(db, request):
    db.execute("DELETE FROM holds WHERE hold = ?", (request.hold_id,))
    return party.FreeResponse()


def order(db, request):
    if request.cake == "durian":
        raise Refusal("NO_SUCH_CAKE")
    db.execute("INSERT INTO cakes VALUES (?, ?)", (request.order_id, request.cake))
    return party.OrderResponse(cake=request.cake)


def cancel(db, request):
    db.execute("DELETE FROM cakes WHERE id = ?", (request.order_id,))
    return party.CancelResponse()


class Once:
    """Makes a gRPC method of a function: carried out once for each key, answered the same way each time."""

    def __init__(self, path):
        self._path = path
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.executescript("PRAGMA journal_mode = WAL;" + SCHEMA)

    def method(self, change, answer_type):
        def handle(request, context):
            call = dict(context.invocation_metadata())
            if "saga-id" not in call:
                refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "METADATA_MISSING")
            try:
                with contextlib.closing(sqlite3.connect(self._path, isolation_level=None)) as db:
                    # A copy of a call that is under way waits here until the first has committed.
                    db.execute("BEGIN IMMEDIATE")
                    answer, refusal = self._settle(db, call, change, request, answer_type)
                    db.execute("COMMIT")  # before the answer
            except sqlite3.OperationalError as error:  # locked for long, no room on the disk
                context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            print(call["saga-step"], call["saga-phase"], refusal or "OK", flush=True)
            if refusal == "FENCED":
                refuse(context, grpc.StatusCode.ABORTED, refusal)
            if refusal == "KEY_REUSED":
                refuse(context, grpc.StatusCode.INVALID_ARGUMENT, refusal)
            if refusal:
                is_kept = call["saga-phase"] == "action"
                refuse(context, grpc.StatusCode.FAILED_PRECONDITION, refusal, call["idempotency-key"] if is_kept else "")
            return answer_type.FromString(answer)

        return handle

    def _settle(self, db, call, change, request, answer_type):
        """The answer's bytes or the reason of a refusal. What it writes is one transaction, the caller's."""
        saga, step, phase = call["saga-id"], call["saga-step"], call["saga-phase"]
        asked = request.SerializeToString(deterministic=True)
        rows = db.execute("SELECT phase, request, answer, refusal FROM calls WHERE saga = ? AND step = ?", (saga, step))
        kept = {row[0]: row[1:] for row in rows}

        def keep(of_phase, answer, refusal):
            db.execute("INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?)", (saga, step, of_phase, asked, answer, refusal))
            return answer, refusal

        if phase in kept:
            first, answer, refusal = kept[phase]
            return (answer, refusal) if first == asked or refusal == "FENCED" else (None, "KEY_REUSED")
        if phase == "compensation" and "action" not in kept:
            keep("action", None, "FENCED")  # it has not come, and now it never will
        if phase == "compensation" and ("action" not in kept or kept["action"][2]):
            return keep(phase, answer_type().SerializeToString(), None)  # nothing to undo
        try:
            answer = change(db, request).SerializeToString(deterministic=True)
        except Refusal as no:
            # That of a compensation is not kept: asked again later it must be able to succeed.
            return keep(phase, None, str(no)) if phase == "action" else (None, str(no))
        return keep(phase, answer, None)


def refuse(context, code, reason, kept_key=""):
    status = status_pb2.Status(code=code.value[0], message=reason, details=[any_pb2.Any()])
    status.details[0].Pack(error_details_pb2.ErrorInfo(reason=reason, domain="party.example"))
    trailers = [("grpc-status-details-bin", status.SerializeToString())]
    if kept_key:  # the refusal is stored, so it is final
        trailers += [("saga-outcome", "refused"), ("saga-outcome-key", kept_key)]
    context.set_trailing_metadata(trailers)
    context.abort(code, reason)


def main(address, path):
    once = Once(path)
    tables = party_pb2_grpc.TablesServicer()
    tables.Hold = once.method(hold, party.HoldResponse)
    tables.Free = once.method(free, party.FreeResponse)
    cakes = party_pb2_grpc.CakesServicer()
    cakes.Order = once.method(order, party.OrderResponse)
    cakes.Cancel = once.method(cancel, party.CancelResponse)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=8))
    party_pb2_grpc.add_TablesServicer_to_server(tables, server)
    party_pb2_grpc.add_CakesServicer_to_server(cakes, server)
    server.add_insecure_port(address)
    server.start()
    print("serving", address, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
