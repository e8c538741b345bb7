#include "tests/support/bytes_call.h"

#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"

namespace unwind {

grpc::Status CallWithBytes(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext& context,
                           const std::string& path, const std::string& request, std::string* reply) {
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  const grpc::Slice sent(request);
  const auto call = stub.PrepareUnaryCall(&context, path, grpc::ByteBuffer(&sent, 1), &queue);
  call->StartCall();
  grpc::ByteBuffer received;
  grpc::Status status;
  call->Finish(&received, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (!status.ok() || reply == nullptr) return status;
  grpc::Slice bytes;
  if (!received.DumpToSingleSlice(&bytes).ok()) return {grpc::StatusCode::INTERNAL, "the answer cannot be read"};
  reply->assign(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  return status;
}

}  // namespace unwind
