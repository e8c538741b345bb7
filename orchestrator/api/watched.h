// What a watcher watches and has come to know of it: one saga, or those of a filter. No gRPC and no store here.
#ifndef UNWIND_ORCHESTRATOR_API_WATCHED_H_
#define UNWIND_ORCHESTRATOR_API_WATCHED_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "orchestrator/engine/saga_store.h"
#include "saga/v1/saga_service.pb.h"

namespace unwind {

using SharedSaga = std::shared_ptr<const saga::v1::Saga>;

// What a turn has loaded of all that its watchers wanted, for all of them.
struct Loaded {
  std::map<std::string, SharedSaga> sagas;
  std::map<std::string, std::string> unreadable;  // and why
  std::optional<std::string> last_id;             // what was wanted above it was not looked at; none: all was
};

// What to tell a watcher, and how to end its stream then.
struct Telling {
  std::vector<SharedSaga> sagas;
  std::optional<absl::Status> end;
};

// Thread-compatible.
class Watched {
 public:
  virtual ~Watched() = default;

  // The list it looks at; null: none.
  virtual const SagaFilter* filter() const { return nullptr; }
  // The sagas that must be loaded if they have changed since these heads. `listed`: what filter() found, else empty.
  virtual std::vector<SagaHead> Wanted(const std::vector<SagaHead>& listed) = 0;
  // After Wanted.
  virtual Telling Hear(const Loaded& loaded) = 0;
};

class WatchedSaga final : public Watched {
 public:
  // Tells versions above `after_version`, and the terminal one.
  WatchedSaga(std::string id, std::int64_t after_version) : id_(std::move(id)), told_(after_version) {}

  std::vector<SagaHead> Wanted(const std::vector<SagaHead>& listed) override;
  Telling Hear(const Loaded& loaded) override;

 private:
  const std::string id_;
  std::int64_t told_;
  bool found_ = false;
};

class WatchedList final : public Watched {
 public:
  // Of a list, and of what has left it and is still told of.
  static constexpr int kListMax = 500;
  // Of one message, unless one saga has more.
  static constexpr std::size_t kMessageBytesMax = 64 << 10;

  // `filter`: definition and state alone.
  explicit WatchedList(SagaFilter filter) : filter_(std::move(filter)) { filter_.limit = kListMax; }

  const SagaFilter* filter() const override { return &filter_; }
  std::vector<SagaHead> Wanted(const std::vector<SagaHead>& listed) override;
  Telling Hear(const Loaded& loaded) override;

 private:
  struct Known {
    std::int64_t version = 0;  // that was told, or need not be
    bool followed = false;     // it was told and may be told again, on the list or not
  };

  SagaFilter filter_;
  bool begun_ = false;
  std::map<std::string, Known> known_;  // by id: those on the list, and those that are followed
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_WATCHED_H_
