"""call.py PROTOSET ADDRESS PACKAGE.SERVICE/METHOD JSON: makes one call by gRPC; prints the answer, or how it failed."""

import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

PATIENCE_S = 60


def message(pool, descriptor):
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)  # protobuf before 4.22


def main():
    protoset, address, method, json = sys.argv[1:]
    pool = descriptor_pool.DescriptorPool()
    with open(protoset, "rb") as file:
        for proto in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
            pool.Add(proto)
    service, name = method.split("/")
    called = pool.FindServiceByName(service).methods_by_name[name]
    request = json_format.Parse(json, message(pool, called.input_type)())
    answer = message(pool, called.output_type)
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary("/" + method, lambda it: it.SerializeToString(), answer.FromString)
        try:
            print(json_format.MessageToJson(call(request, timeout=PATIENCE_S, wait_for_ready=True)))
        except grpc.RpcError as error:
            print(error.code().name, error.details())


if __name__ == "__main__":
    main()
