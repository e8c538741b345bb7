// Messages as gRPC's generic calls carry them.
#ifndef UNWIND_COMMON_RPC_BYTES_H_
#define UNWIND_COMMON_RPC_BYTES_H_

#include <string>
#include <vector>

#include "google/protobuf/message.h"
#include "grpc/byte_buffer.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "grpcpp/support/slice.h"

namespace unwind {

inline grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

inline std::string ToBytes(const grpc::ByteBuffer& buffer) {
  std::string bytes;
  std::vector<grpc::Slice> slices;
  if (!buffer.Valid() || !buffer.Dump(&slices).ok()) return bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

// Parses the bytes where they lie; false if they are no message of that type. gRPC's own way copies the buffer first.
inline bool ParseFrom(const grpc::ByteBuffer& buffer, google::protobuf::Message& message) {
  grpc::ProtoBufferReader reader(const_cast<grpc::ByteBuffer*>(&buffer));  // it only reads
  return reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
}

// Whether the message came compressed and was not unpacked, as channels of NewChannel leave it. gRPC tells it only
// in the C buffer inside; gRPC itself asserts that both have one representation.
inline bool IsCompressed(const grpc::ByteBuffer& buffer) {
  static_assert(sizeof(grpc::ByteBuffer) == sizeof(grpc_byte_buffer*));
  const grpc_byte_buffer* const raw = *reinterpret_cast<grpc_byte_buffer* const*>(&buffer);
  return raw != nullptr && raw->data.raw.compression != GRPC_COMPRESS_NONE;
}

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_BYTES_H_
