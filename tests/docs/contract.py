"""contract.py ADDRESS PROTOSET DATABASE ANSWERS: holds the tutorial's participant to docs/PARTICIPANTS.md.

Asked a second time, with the same ANSWERS, it requires that everything is answered as it was the first time.
"""

import concurrent.futures
import json
import pathlib
import sqlite3
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

COPIES = 8


class Caller:
    def __init__(self, address, protoset):
        files = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(protoset).read_bytes())
        self._pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            self._pool.Add(file)
        self._factory = message_factory.MessageFactory(self._pool)
        self._channel = grpc.insecure_channel(address)
        grpc.channel_ready_future(self._channel).result(timeout=60)

    def call(self, saga, step, phase, method, **fields):
        """The answer as JSON would have it; or the code, the reason as the trailers have it, and the trailers of a refusal."""
        service, _, name = method.rpartition("/")
        described = self._pool.FindServiceByName(service).methods_by_name[name]
        stub = self._channel.unary_unary(
            "/" + method,
            lambda message: message.SerializeToString(),
            self._factory.GetPrototype(described.output_type).FromString,
        )
        metadata = [
            ("saga-id", saga), ("saga-step", step), ("saga-phase", phase), ("idempotency-key", f"{saga}/{step}/{phase}")
        ]
        try:
            message = self._factory.GetPrototype(described.input_type)(**fields)
            return json_format.MessageToDict(stub(message, metadata=metadata, timeout=60))
        except grpc.RpcError as error:
            trailers = dict(error.trailing_metadata())
            kept = trailers.get("saga-outcome"), trailers.get("saga-outcome-key")
            assert error.details().encode() in trailers["grpc-status-details-bin"], "no ErrorInfo has the reason"
            return [error.code().name, error.details(), *kept]

    def hold(self, saga, guest="mina"):
        return self.call(saga, "hold_table", "action", "party.v1.Tables/Hold", hold_id=saga, guest=guest)

    def free(self, saga):
        return self.call(saga, "hold_table", "compensation", "party.v1.Tables/Free", hold_id=saga)

    def order(self, saga, cake):
        return self.call(saga, "order_cake", "action", "party.v1.Cakes/Order", order_id=saga, cake=cake)

    def cancel(self, saga):
        return self.call(saga, "order_cake", "compensation", "party.v1.Cakes/Cancel", order_id=saga)


def held(database, saga):
    return sqlite3.connect(database).execute("SELECT count(*) FROM holds WHERE hold = ?", (saga,)).fetchone()[0]


def main(address, protoset, database, answers):
    caller = Caller(address, protoset)
    said = []

    def expect(what, answer, wanted=None):
        said.append(answer)
        assert wanted is None or answer == wanted, f"{what}: {answer}, not {wanted}"

    with concurrent.futures.ThreadPoolExecutor(COPIES) as pool:
        copies = list(pool.map(lambda _: caller.hold("at-once"), range(COPIES)))
    for copy in copies:
        expect("copies at once", copy, copies[0])
    expect("copies at once", held(database, "at-once"), 1)

    expect("another request", caller.hold("at-once", "jun"), ["INVALID_ARGUMENT", "KEY_REUSED", None, None])

    expect("a compensation that comes first", caller.free("undone-first"), {})
    expect("the action after it", caller.hold("undone-first"), ["ABORTED", "FENCED", None, None])
    expect("the action after it", held(database, "undone-first"), 0)

    expect("an action", caller.hold("undone"))
    expect("its compensation", caller.free("undone"), {})
    expect("the compensation again", caller.free("undone"), {})
    expect("the action again", caller.hold("undone"), said[-3])
    expect("what it left", held(database, "undone"), 0)

    refused = ["FAILED_PRECONDITION", "NO_SUCH_CAKE", "refused", "no-cake/order_cake/action"]
    expect("a refusal", caller.order("no-cake", "durian"), refused)
    expect("a refusal again", caller.order("no-cake", "durian"), refused)
    expect("the compensation of what was refused", caller.cancel("no-cake"), {})

    file = pathlib.Path(answers)
    if file.exists():
        assert json.loads(file.read_text()) == said, "it answers otherwise than before it was killed"
    file.write_text(json.dumps(said))
    print(f"the contract is kept, {len(said)} answers")


if __name__ == "__main__":
    main(*sys.argv[1:])
