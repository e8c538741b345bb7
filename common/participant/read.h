// Reads beside the writer: a thread and a connection of its own, so that a read waits for no write and blocks no gRPC
// thread.
#ifndef UNWIND_COMMON_PARTICIPANT_READ_H_
#define UNWIND_COMMON_PARTICIPANT_READ_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/batch_writer.h"
#include "common/db/connection.h"
#include "common/rpc/error.h"
#include "common/rpc/unary.h"
#include "soci/session.h"

namespace unwind {

// Thread-safe.
class Reader {
 public:
  struct Query {
    absl::AnyInvocable<absl::Status(soci::session&)> run;  // in one snapshot; lets soci_error pass
    Done done;
  };

  explicit Reader(std::unique_ptr<Connection> connection)
      : connection_(std::move(connection)),
        queue_(kBatchMax, kQueueMax, [this](std::vector<Query> queries) { Answer(std::move(queries)); }) {}

  // Takes `query`; if too many wait: false, and it is untouched.
  bool Push(Query& query) { return queue_.Push(std::move(query)); }

  // Answers what is queued, then stops. Idempotent.
  void Stop() { queue_.Stop(); }

 private:
  static constexpr std::size_t kBatchMax = 64;
  static constexpr std::size_t kQueueMax = 4096;

  // A store that did not answer one is not asked for the others: each would wait as long.
  void Answer(std::vector<Query> queries) {
    absl::Status answer;
    for (Query& query : queries) {
      if (!absl::IsUnavailable(answer)) {
        answer = connection_->Read([&query](soci::session& session) { return query.run(session); });
      }
      std::move(query.done)(answer);
    }
  }

  const std::unique_ptr<Connection> connection_;
  BatchWriter<Query> queue_;  // last: its thread runs on what is above
};

}  // namespace unwind

#endif  // UNWIND_COMMON_PARTICIPANT_READ_H_
