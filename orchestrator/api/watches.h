// All who watch sagas at this instance. One thread looks in the store for all of them together, at growing pauses while
// nothing happens: whichever instance drives a saga, its row tells.
#ifndef UNWIND_ORCHESTRATOR_API_WATCHES_H_
#define UNWIND_ORCHESTRATOR_API_WATCHES_H_

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "orchestrator/api/watched.h"
#include "orchestrator/core/saga.h"
#include "orchestrator/engine/saga_store.h"

namespace unwind {

// Who is told. Thread-safe; no call blocks.
class WatchSink {
 public:
  virtual ~WatchSink() = default;
  // Whether its reader has taken what it was told last.
  virtual bool IsReady() = 0;
  // REQUIRES: it is ready.
  virtual void Tell(const std::vector<SharedSaga>& sagas) = 0;
  // The stream ends with `status`, once its reader has taken what it was told.
  virtual void End(absl::Status status) = 0;
  // REQUIRES: End was called. It waits for its reader no more.
  virtual void Cut() = 0;
};

struct WatchesOptions {
  std::size_t watchers_max = 200;              // more are refused
  absl::Duration age_max = absl::Minutes(10);  // of one stream; below what a connection may live on past its age
};

// Thread-safe.
class Watches {
 public:
  // A saga as callers see it.
  using Show = std::function<saga::v1::Saga(const Saga&)>;

  // `store` must outlive it.
  Watches(SagaStore& store, Show show, const WatchesOptions& options);
  ~Watches();
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;

  // RESOURCE_EXHAUSTED OVERLOADED; UNAVAILABLE WATCH_ENDED after EndAll. Nothing is told of the sink then.
  absl::Status Add(std::shared_ptr<WatchSink> sink, std::unique_ptr<Watched> watched);
  // It is told nothing more.
  void Remove(const WatchSink* sink);
  // Ends all streams, UNAVAILABLE WATCH_ENDED. A reader that does not read has a second, for which this waits, and is
  // cut off then. Idempotent.
  void EndAll();

 private:
  struct Watcher {
    std::shared_ptr<WatchSink> sink;
    std::unique_ptr<Watched> watched;  // the turn's own
    absl::Time ends_at;                // by SteadyNow
  };

  void Run();
  // One look. Whether it told anybody anything; an error of the store, which is told to nobody.
  absl::StatusOr<bool> Turn();
  std::vector<std::shared_ptr<Watcher>> Ready();
  absl::StatusOr<Loaded> Load(const std::vector<std::shared_ptr<Watcher>>& watchers);

  SagaStore& store_;
  const Show show_;
  const WatchesOptions options_;
  std::mutex mutex_;  // guards all below but the thread
  std::condition_variable wake_;
  std::condition_variable gone_;  // a watcher is
  bool stopping_ = false;
  bool ended_ = false;
  bool has_new_ = false;  // somebody waits for his first message
  std::vector<std::shared_ptr<Watcher>> watchers_;
  std::thread thread_;  // last: it runs on what is above
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_WATCHES_H_
