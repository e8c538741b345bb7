#include "orchestrator/engine/waiters.h"

#include <algorithm>
#include <chrono>

#include "orchestrator/engine/refusals.h"

namespace unwind {
namespace {

// How late a shard may answer: about half of what the caller's deadline leaves after `answer_by`, also if that is
// little.
constexpr double kLateShare = 0.05;
constexpr absl::Duration kLateMax = absl::Milliseconds(200);
constexpr absl::Duration kWaitMax = absl::Seconds(1);  // so that a clock set forward is noticed

}  // namespace

std::optional<Waiter> Waiters::Add(absl::Time answer_by, std::function<void(const std::string&)> accepted,
                                   std::function<void(Progress)> answered, std::function<void()>* leave) {
  const absl::Duration left = std::max(answer_by - clock_.Now(), absl::ZeroDuration());
  Place place(answer_by + std::min(left * kLateShare, kLateMax), 0);
  {
    std::unique_lock lock(mutex_);
    if (waiting_.size() >= waiters_max_) {
      lock.unlock();
      answered({.status = TooManyWait(), .saga = {}});
      return std::nullopt;
    }
    place.second = ++added_;
    const auto added = waiting_.emplace(place, std::move(answered)).first;
    if (added == waiting_.begin()) changed_.notify_one();
  }
  Waiter waiter{.answer_by = answer_by, .accepted = std::move(accepted), .answered = [this, place](Progress progress) {
                  if (const auto first = Take(place)) first(std::move(progress));
                }};
  if (leave == nullptr) return waiter;
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  waiter.left = gone;
  *leave = [this, place, gone] {
    *gone = true;
    Take(place);
  };
  return waiter;
}

std::function<void(Progress)> Waiters::Take(const Place& place) {
  std::lock_guard lock(mutex_);
  const auto found = waiting_.extract(place);
  if (waiting_.empty()) answered_.notify_all();
  return found.empty() ? nullptr : std::move(found.mapped());
}

absl::Time Waiters::NextLate() const {
  std::lock_guard lock(mutex_);
  return NextLateLocked();
}

absl::Time Waiters::NextLateLocked() const {
  return waiting_.empty() ? absl::InfiniteFuture() : waiting_.begin()->first.first;
}

void Waiters::AnswerLate() { AnswerLate(clock_.Now()); }

void Waiters::AnswerAll(absl::Duration patience) {
  {
    std::unique_lock lock(mutex_);
    answered_.wait_for(lock, absl::ToChronoMicroseconds(patience), [this] { return waiting_.empty(); });
  }
  AnswerLate(absl::InfiniteFuture());
}

void Waiters::AnswerLate(absl::Time now) {
  for (;;) {
    std::unique_lock lock(mutex_);
    if (waiting_.empty() || waiting_.begin()->first.first > now) return;
    const auto late = waiting_.extract(waiting_.begin());
    lock.unlock();
    late.mapped()({.status = StoreSilent(), .saga = {}});
  }
}

void Waiters::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Waiters::Run() {
  for (;;) {
    AnswerLate();
    std::unique_lock lock(mutex_);
    if (stopped_) return;
    const absl::Duration wait = std::clamp(NextLateLocked() - clock_.Now(), absl::ZeroDuration(), kWaitMax);
    changed_.wait_for(lock, absl::ToChronoMicroseconds(wait + absl::Microseconds(1)));
    if (stopped_) return;
  }
}

void Waiters::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace unwind
