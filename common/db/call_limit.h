// Ends a call to a database server that says nothing. libpq waits for an answer without a limit of its own, and a
// server that hangs behind a living TCP connection (a stopped process, a pooler that waits) is not noticed by
// keepalives.
#ifndef UNWIND_COMMON_DB_CALL_LIMIT_H_
#define UNWIND_COMMON_DB_CALL_LIMIT_H_

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "absl/time/time.h"

namespace unwind {

// Watches one socket from a thread of its own. Begin and End belong to the thread that makes the calls.
class CallLimit {
 public:
  // `limit`: of one call.
  explicit CallLimit(absl::Duration limit);
  ~CallLimit();
  CallLimit(const CallLimit&) = delete;
  CallLimit& operator=(const CallLimit&) = delete;

  // The socket of the calls that follow; the watch keeps a descriptor of its own, so that closing `socket` is harmless.
  // False if none is free: then no call is limited.
  bool Watch(int socket);

  // Between the two the socket is shut down once the limit is over, and a call that waits for its bytes gets an error.
  void Begin();
  void End();

  // Whether the last call that began was ended so.
  bool IsOver();

 private:
  using Clock = std::chrono::steady_clock;

  void Run();

  const Clock::duration limit_;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopped_ = false;                               // guarded by mutex_
  bool shut_down_ = false;                             // guarded by mutex_
  int socket_ = -1;                                    // guarded by mutex_
  Clock::time_point ends_ = Clock::time_point::max();  // of the call under way; guarded by mutex_
  std::thread thread_;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_DB_CALL_LIMIT_H_
