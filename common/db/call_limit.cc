#include "common/db/call_limit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace unwind {
namespace {

constexpr std::chrono::milliseconds kLookMax{1000};  // how late the end of a long limit may be noticed

}  // namespace

CallLimit::CallLimit(absl::Duration limit) : limit_(absl::ToChronoMilliseconds(limit)), thread_([this] { Run(); }) {}

CallLimit::~CallLimit() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  stop_.notify_one();
  thread_.join();
  if (socket_ >= 0) ::close(socket_);
}

bool CallLimit::Watch(int socket) {
  const int own = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
  std::lock_guard lock(mutex_);
  if (socket_ >= 0) ::close(socket_);
  socket_ = own;
  return own >= 0;
}

void CallLimit::Begin() {
  std::lock_guard lock(mutex_);
  ends_ = Clock::now() + limit_;
  shut_down_ = false;
}

void CallLimit::End() {
  std::lock_guard lock(mutex_);
  ends_ = Clock::time_point::max();
}

bool CallLimit::IsOver() {
  std::lock_guard lock(mutex_);
  return shut_down_;
}

// Looks now and then instead of being woken by each call, which would cost a call more than it gives.
void CallLimit::Run() {
  const Clock::duration pause = std::min<Clock::duration>(limit_ / 4 + std::chrono::milliseconds(1), kLookMax);
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, pause, [this] { return stopped_; })) {
    if (Clock::now() < ends_) continue;
    ends_ = Clock::time_point::max();
    shut_down_ = true;
    if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
  }
}

}  // namespace unwind
