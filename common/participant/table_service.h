// A gRPC service that is a table of methods: steps go to the participant's writer, reads to its reader.
#ifndef UNWIND_COMMON_PARTICIPANT_TABLE_SERVICE_H_
#define UNWIND_COMMON_PARTICIPANT_TABLE_SERVICE_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/participant/method_table.h"
#include "common/participant/participant.h"
#include "common/participant/read.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"

namespace unwind {

struct ServiceTable {
  std::string name;          // full, such as "shop.stock.v1.StockService"
  std::string error_domain;  // of ErrorInfo, such as "stock.shop.unwind"
  std::vector<ReadMethod> reads;
  std::string never_cause = ParticipantOptions().never_cause;
};

// Thread-safe. Every call is checked first (CheckCall); a request that is no message of its type is INVALID_ARGUMENT,
// reason INVALID_REQUEST. A step goes on as ReadCallKey and Participant::Submit say, and a refusal that is stored
// carries the trailers saga-outcome and saga-outcome-key, as a pending answer does; a resolve is not held to the
// rules of its fields: it must be able to say of an action that was refused for breaking them that it never happened.
// A read that fails without a reason of its own is STORAGE_FAILED; too many that wait are RESOURCE_EXHAUSTED,
// OVERLOADED.
class TableService final : public grpc::Service {
 public:
  // REQUIRES: the steps of `domain` and the reads are together the methods of the proto service, each once.
  // `participant` and `reader` must outlive this. `enable_reset`: whether the methods for tests are served.
  TableService(ServiceTable table, const StepDomain& domain, Participant& participant, Reader& reader,
               bool enable_reset);

  const std::string& name() const { return table_.name; }

 private:
  using Handler = std::function<grpc::ServerUnaryReactor*(grpc::CallbackServerContext*, const grpc::ByteBuffer*,
                                                          grpc::ByteBuffer*)>;

  void Add(const std::string& method, Handler handler);
  grpc::ServerUnaryReactor* ServeStep(std::size_t number, grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer& request, grpc::ByteBuffer* response);
  grpc::ServerUnaryReactor* ServeRead(const ReadMethod& method, grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer& request, grpc::ByteBuffer* response);

  const ServiceTable table_;
  const std::vector<StepMethod> steps_;
  const int first_;  // Command::method of the first
  Participant& participant_;
  Reader& reader_;
  const bool enable_reset_;
  std::deque<std::string> paths_;  // gRPC keeps pointers to them
};

}  // namespace unwind

#endif  // UNWIND_COMMON_PARTICIPANT_TABLE_SERVICE_H_
