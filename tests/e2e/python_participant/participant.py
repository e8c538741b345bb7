"""A saga participant in Python: rooms, cars and visas, in memory, with nothing but grpcio and a descriptor set.

It keeps the participant contract of docs/PARTICIPANTS.md: one effect per idempotency key, the same answer to a repeat,
compensations of what never came accepted, actions that come after their compensation FENCED, and "not finished" only to
who accepts it. What is finished by itself it tells the orchestrator of.
"""

import argparse
import collections
import concurrent.futures
import os
import threading

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DOMAIN = "trip.example"
OUT_OF_THE_WORLD = "atlantis"  # has no rooms
NO_SUCH_CAR = "submarine"
CLOSED_DESK = "jeju"  # its hotel refuses the first cancellations of each room
REFUSED_CANCELLATIONS = 5
SILENT_EMBASSY = "sealand"  # never decides by itself
QUESTIONS_FOR_A_VISA = 3  # so often must any other embassy be asked
SECONDS_FOR_A_PERMIT = 0.3
NUDGE = "/saga.participant.v1.NudgeService/Nudge"
STATUS_OF = {"FENCED": grpc.StatusCode.ABORTED, "PENDING": grpc.StatusCode.UNAVAILABLE}  # what says no "no" of the domain


class Types:
    """Message classes by full name, from a descriptor set; no generated code."""

    def __init__(self, path):
        files = descriptor_pb2.FileDescriptorSet()
        with open(path, "rb") as file:
            files.ParseFromString(file.read())
        self._pool = descriptor_pool.DescriptorPool()
        for proto in files.file:
            self._pool.Add(proto)

    def message(self, name):
        descriptor = self._pool.FindMessageTypeByName(name)
        if hasattr(message_factory, "GetMessageClass"):
            return message_factory.GetMessageClass(descriptor)
        return message_factory.MessageFactory(self._pool).GetPrototype(descriptor)  # protobuf before 4.22

    def service(self, name):
        return self._pool.FindServiceByName(name)


class Refusal(Exception):
    """The domain says no: nothing was changed."""

    def __init__(self, reason, text, **metadata):
        super().__init__(text)
        self.reason = reason
        self.metadata = metadata


class Later(Exception):
    """Accepted, not finished; `message` is what can be said already, and `work` what will be told of once it is."""

    def __init__(self, message, work=None):
        super().__init__()
        self.message = message
        self.work = work


class Agency:
    """The business: it knows nothing of sagas."""

    def __init__(self, types):
        self._types = types
        self._rooms = {}  # by confirmation
        self._cars = {}  # by rental
        self._refused_cancellations = collections.Counter()  # by confirmation
        self._cities = {}  # by confirmation
        self._questions = collections.Counter()  # by visa application
        self._visas = 0
        self._permits = {}  # by application; empty: the office is at work
        self.on_finished = lambda work: None

    def BookRoom(self, request):
        if request.city == OUT_OF_THE_WORLD:
            raise Refusal("NO_ROOM", "no hotel in " + request.city)
        confirmation = "room-%d-%s" % (len(self._rooms) + 1, request.guest)
        room = self._types.message("trip.v1.Room")(confirmation=confirmation, guest=request.guest, bookings=1)
        self._rooms[confirmation] = room
        self._cities[confirmation] = request.city
        return self._types.message("trip.v1.BookRoomResponse")(confirmation=confirmation, cancel_fee_cents=1250)

    def CancelRoom(self, request):
        room = self._rooms[request.confirmation]
        closed = self._cities[request.confirmation] == CLOSED_DESK
        if closed and self._refused_cancellations[request.confirmation] < REFUSED_CANCELLATIONS:
            self._refused_cancellations[request.confirmation] += 1
            raise Refusal("DESK_CLOSED", "nobody is at the desk")
        room.cancelled = True
        room.fee_cents = request.fee_cents
        room.reason = request.reason
        return self._types.message("trip.v1.CancelRoomResponse")()

    def ListRooms(self, _):
        return self._types.message("trip.v1.ListRoomsResponse")(rooms=self._rooms.values())

    def RentCar(self, request):
        if request.car == NO_SUCH_CAR:
            raise Refusal("NO_CAR", "there is no " + request.car)
        self._cars[request.rental_id] = request.car
        return self._types.message("trip.v1.RentCarResponse")(plate="UNW-%d" % len(self._cars))

    def ReturnCar(self, request):
        self._cars.pop(request.rental_id, None)
        return self._types.message("trip.v1.ReturnCarResponse")()

    def ApplyForVisa(self, request):
        self._questions[request.application_id] += 1
        asked = self._questions[request.application_id]
        if request.country == SILENT_EMBASSY or asked < QUESTIONS_FOR_A_VISA:
            raise Later(self._types.message("trip.v1.Visa")(asked=asked))
        self._visas += 1
        return self._types.message("trip.v1.Visa")(number="VISA-%d" % self._visas, asked=asked)

    def ApplyForPermit(self, request):
        application = request.application_id
        if application not in self._permits:
            self._permits[application] = ""
            threading.Timer(SECONDS_FOR_A_PERMIT, self._grant, [application]).start()
        self._questions[application] += 1
        permit = self._types.message("trip.v1.Visa")(
            number=self._permits[application], asked=self._questions[application]
        )
        if not permit.number:
            raise Later(permit, work=application)
        return permit

    def _grant(self, application):
        self._permits[application] = "PERMIT-%d" % len(self._permits)
        self.on_finished(application)


class Orchestrator:
    """Told of what is finished. It asks again in any case, so that nothing depends on its hearing it."""

    def __init__(self, types, port_file):
        self._types = types
        self._port_file = port_file

    def nudge(self, saga, step):
        request = self._types.message("saga.participant.v1.NudgeRequest")(saga_id=saga, step=step)
        with open(self._port_file, encoding="ascii") as file:
            address = "127.0.0.1:" + file.readline().strip()
        with grpc.insecure_channel(address) as channel:
            try:
                channel.unary_unary(NUDGE)(request.SerializeToString(), timeout=2)
            except grpc.RpcError as error:
                print("not heard:", error.code(), flush=True)


class Participant:
    """The contract around the business: a call is carried out once, its answer remembered."""

    def __init__(self, types, agency, orchestrator):
        self._types = types
        self._agency = agency
        self._orchestrator = orchestrator  # None: it only asks
        self._works = {}  # what goes on -> (saga, step)
        agency.on_finished = self._finished
        self._lock = threading.Lock()
        self._answers = {}  # (saga, step, phase) -> message or Refusal
        self._waiting = {}  # (saga, step) -> Later, of an action that was accepted
        self._fenced = set()  # (saga, step) whose compensation came first, or that was decided to be never

    def handler(self, method):
        carry_out = getattr(self._agency, method.name, None)  # the business knows no resolve
        request_class = self._types.message(method.input_type.full_name)

        def handle(request, context):
            metadata = dict(context.invocation_metadata())
            if "saga-id" not in metadata:  # a read
                with self._lock:
                    return carry_out(request)
            with self._lock:
                answer = self._answer(metadata, carry_out, request)
            if isinstance(answer, Later):
                if metadata.get("saga-accepts") == "pending":
                    context.set_trailing_metadata([("saga-outcome", "pending")])
                    return answer.message
                answer = Refusal("PENDING", "accepted, not finished: call again")
            if isinstance(answer, Refusal):
                kept = metadata["saga-phase"] == "action" and answer.reason not in STATUS_OF
                self._refuse(context, answer, metadata["idempotency-key"] if kept else None)
            return answer

        return grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=request_class.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def _answer(self, metadata, carry_out, request):
        step = (metadata["saga-id"], metadata["saga-step"])
        phase = metadata["saga-phase"]
        if phase == "resolve":
            return self._settle(step, metadata.get("saga-decide") == "now")
        if step + (phase,) in self._answers:
            return self._answers[step + (phase,)]
        if phase == "action" and step in self._fenced:
            return Refusal("FENCED", "the compensation came first")
        acted = not isinstance(self._answers.get(step + ("action",), Refusal("", "")), Refusal)
        if phase == "compensation" and not acted:
            self._fenced.add(step)
            answer = self._types.message(self._response_of(carry_out.__name__))()
        else:
            try:
                answer = carry_out(request)
            except Later as later:
                self._works[later.work] = step
                return self._waiting.setdefault(step, later)
            except Refusal as refusal:
                if phase == "compensation":  # not kept: asked again later it must be able to succeed
                    return refusal
                answer = refusal
        self._answers[step + (phase,)] = answer
        return answer

    def _finished(self, work):
        with self._lock:  # the call that began it has said which step waits
            saga, step = self._works[work]
        if self._orchestrator:
            self._orchestrator.nudge(saga, step)

    def _settle(self, step, decides):
        """Whether the action happened; what has not, and need not be waited for, never will."""
        answer = self._answers.get(step + ("action",))
        if answer is not None and not isinstance(answer, Refusal):
            return answer
        if answer is None and step in self._waiting and step not in self._fenced and not decides:
            return self._waiting[step]
        self._fenced.add(step)
        return Refusal("NEVER_HAPPENED", "it never will", cause="NOT_DECIDED_IN_TIME")

    def _response_of(self, method):
        return "trip.v1." + method + "Response"

    def _refuse(self, context, refusal, kept_key):
        code = STATUS_OF.get(refusal.reason, grpc.StatusCode.FAILED_PRECONDITION)
        status = self._types.message("google.rpc.Status")(code=code.value[0], message=str(refusal))
        info = self._types.message("google.rpc.ErrorInfo")(
            reason=refusal.reason, domain=DOMAIN, metadata=refusal.metadata
        )
        detail = status.details.add()
        detail.type_url = "type.googleapis.com/google.rpc.ErrorInfo"
        detail.value = info.SerializeToString()
        trailers = [("grpc-status-details-bin", status.SerializeToString())]
        if kept_key:
            trailers += [("saga-outcome", "refused"), ("saga-outcome-key", kept_key)]
        context.set_trailing_metadata(trailers)
        context.abort(code, str(refusal))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protoset", required=True, help="descriptor set of trip.proto and google.rpc's errors")
    parser.add_argument("--port_file", required=True, help="where to write the port, once it serves")
    parser.add_argument("--orchestrator_port_file", help="the orchestrator's --port_file, to nudge it")
    flags = parser.parse_args()

    types = Types(flags.protoset)
    orchestrator = Orchestrator(types, flags.orchestrator_port_file) if flags.orchestrator_port_file else None
    participant = Participant(types, Agency(types), orchestrator)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=8))
    for name in ("trip.v1.RoomService", "trip.v1.CarService", "trip.v1.VisaService"):
        methods = {method.name: participant.handler(method) for method in types.service(name).methods}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with open(flags.port_file + ".new", "w", encoding="ascii") as file:
        file.write(str(port))
    os.rename(flags.port_file + ".new", flags.port_file)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
