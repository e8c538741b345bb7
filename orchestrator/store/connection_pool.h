// Connections of one kind, for as many threads at once.
#ifndef UNWIND_ORCHESTRATOR_STORE_CONNECTION_POOL_H_
#define UNWIND_ORCHESTRATOR_STORE_CONNECTION_POOL_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "common/db/connection.h"

namespace unwind {

// Thread-safe.
class ConnectionPool {
 public:
  void Add(std::unique_ptr<Connection> connection) { Give(std::move(connection)); }

  // Runs `body` with a connection that no other thread has meanwhile; waits for one.
  template <class Body>
  auto With(Body body) {
    std::unique_ptr<Connection> connection = Take();
    auto result = body(*connection);
    Give(std::move(connection));
    return result;
  }

 private:
  std::unique_ptr<Connection> Take() {
    std::unique_lock lock(mutex_);
    given_back_.wait(lock, [this] { return !idle_.empty(); });
    std::unique_ptr<Connection> connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
  }
  void Give(std::unique_ptr<Connection> connection) {
    {
      std::lock_guard lock(mutex_);
      idle_.push_back(std::move(connection));
    }
    given_back_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable given_back_;
  std::vector<std::unique_ptr<Connection>> idle_;  // the one used last is the next
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_CONNECTION_POOL_H_
