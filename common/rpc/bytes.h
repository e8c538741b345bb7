// Messages as gRPC's generic calls carry them.
#ifndef UNWIND_COMMON_RPC_BYTES_H_
#define UNWIND_COMMON_RPC_BYTES_H_

#include <string>
#include <vector>

#include "grpc/byte_buffer.h"
#include "grpcpp/support/byte_buffer.h"
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

// Whether the message came compressed and was not unpacked, as channels of NewChannel leave it. gRPC tells it only
// in the C buffer inside; gRPC itself asserts that both have one representation.
inline bool IsCompressed(const grpc::ByteBuffer& buffer) {
  static_assert(sizeof(grpc::ByteBuffer) == sizeof(grpc_byte_buffer*));
  const grpc_byte_buffer* const raw = *reinterpret_cast<grpc_byte_buffer* const*>(&buffer);
  return raw != nullptr && raw->data.raw.compression != GRPC_COMPRESS_NONE;
}

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_BYTES_H_
