#include "orchestrator/engine/wake_sweep.h"

#include <algorithm>
#include <utility>

#include "common/base/crash_point.h"
#include "common/base/status_macros.h"
#include "orchestrator/engine/shard.h"

namespace unwind {
namespace {

constexpr std::size_t kEndsMax = 256;  // of one definition in a sweep
constexpr absl::Duration kPollPause = absl::Seconds(1);

}  // namespace

// Once a second, so that many share a turn.
std::size_t WakeSweep::PollsAllowed() {
  const absl::Time now = context_.clock.Now();
  const bool is_too_soon = now >= polled_at_ && now < polled_at_ + kPollPause;
  if (!is_too_soon) polled_at_ = now;
  return is_too_soon ? 0 : context_.options.poll_rate_max;
}

// However many rest, those that come back while a participant is away do not fill the memory: of a definition there are
// at most as many beside those that were started. The next come once these are settled, rest again, or are stuck.
std::size_t WakeSweep::RoomFor(const std::string& definition) const {
  const std::size_t posted = static_cast<std::size_t>(context_.wakes_posted);
  const std::size_t busy = context_.admission.in_flight(definition) + posted, most = 2 * context_.options.in_flight_max;
  return busy < most ? most - busy : 0;
}

// How many were woken; at most `most`.
absl::StatusOr<std::size_t> WakeSweep::Wake(const DefinitionVersion& definition, DueFor what, std::size_t most) {
  if (most == 0) return most;
  ASSIGN_OR_RETURN(SagaPage page, context_.store.LoadDue(context_.lease, definition, what, context_.clock.Now(),
                                                         context_.SetAside(), static_cast<int>(most)));
  context_.unreadable.Report(page.unreadable);
  for (Saga& saga : page.sagas) {
    ++context_.wakes_posted;
    Shard& shard = context_.shard_of(saga.id);
    shard.mailbox().Post(RecoverMail{.saga = std::move(saga), .asks = {}, .due = what});
    CRASH_POINT("orchestrator.after_due", definition.name);
  }
  return page.sagas.size();
}

// The definitions take turns, so that one with very many polls keeps no other waiting.
absl::StatusOr<Driver::Swept> WakeSweep::Sweep() {
  Driver::Swept swept;
  if (context_.wakes_posted > 0) return swept;
  std::vector<DefinitionVersion> definitions = context_.catalog.Waiting();
  if (definitions.empty()) return swept;
  for (const DefinitionVersion& definition : definitions) {
    ASSIGN_OR_RETURN(const std::size_t ended,
                     Wake(definition, DueFor::kWaitEnd, std::min(kEndsMax, RoomFor(definition.name))));
    swept.sagas += static_cast<int>(ended);
    swept.may_be_more |= ended == kEndsMax;
  }
  std::size_t polls = PollsAllowed();
  if (polls > 0) first_ = (first_ + 1) % definitions.size();
  std::rotate(definitions.begin(), definitions.begin() + static_cast<std::ptrdiff_t>(first_), definitions.end());
  for (const DefinitionVersion& definition : definitions) {
    ASSIGN_OR_RETURN(const std::size_t woken,
                     Wake(definition, DueFor::kPoll, std::min(polls, RoomFor(definition.name))));
    swept.sagas += static_cast<int>(woken);
    polls -= woken;
  }
  return swept;
}

}  // namespace unwind
