#include "orchestrator/engine/wake_sweep.h"

#include <algorithm>
#include <utility>

#include "common/base/status_macros.h"
#include "orchestrator/engine/shard.h"

namespace unwind {
namespace {

constexpr std::size_t kWakesMax = 256;  // of one definition for one reason in a sweep

}  // namespace

// As many as the rate gives since the last sweep, and at most those of a second at once. A clock that is set back gives
// none.
std::size_t WakeSweep::PollsAllowed() {
  const auto rate = static_cast<double>(context_.options.poll_rate_max);
  const absl::Time now = context_.clock.Now();
  const absl::Duration passed = std::clamp(now - counted_at_, absl::ZeroDuration(), absl::Seconds(1));
  counted_at_ = now;
  polls_ = std::min(rate, polls_ + rate * absl::ToDoubleSeconds(passed));
  return static_cast<std::size_t>(polls_);
}

// How many were woken; at most `most`.
absl::StatusOr<std::size_t> WakeSweep::Wake(const DefinitionVersion& definition, DueFor what, std::size_t most,
                                            Driver::Swept& swept) {
  most = std::min(most, kWakesMax);
  if (most == 0) return most;
  // What stands still is found again each time.
  const std::size_t limit = most + context_.quarantine.heads().size() + context_.unreadable.count();
  ASSIGN_OR_RETURN(SagaPage page, context_.store.LoadDue(context_.lease, definition, what, context_.clock.Now(),
                                                         static_cast<int>(limit)));
  context_.unreadable.Report(page.unreadable);
  std::erase_if(page.sagas,
                [this](const Saga& saga) { return context_.quarantine.Holds(saga, context_.lease.instance); });
  if (page.sagas.size() > most) page.sagas.resize(most);
  for (Saga& saga : page.sagas) {
    ++context_.wakes_posted;
    Shard& shard = context_.shard_of(saga.id);
    shard.mailbox().Post(RecoverMail{.saga = std::move(saga), .asks = {}, .due = what});
  }
  swept.sagas += static_cast<int>(page.sagas.size());
  swept.may_be_more |= page.sagas.size() == kWakesMax;
  return page.sagas.size();
}

// The definitions take turns, so that one with very many polls keeps no other waiting.
absl::StatusOr<Driver::Swept> WakeSweep::Sweep() {
  Driver::Swept swept;
  if (context_.wakes_posted > 0) return swept;
  std::vector<DefinitionVersion> definitions = context_.catalog.Waiting();
  if (definitions.empty()) return swept;
  for (const DefinitionVersion& definition : definitions) {
    RETURN_IF_ERROR(Wake(definition, DueFor::kWaitEnd, kWakesMax, swept).status());
  }
  first_ = (first_ + 1) % definitions.size();
  std::rotate(definitions.begin(), definitions.begin() + static_cast<std::ptrdiff_t>(first_), definitions.end());
  std::size_t polls = PollsAllowed();
  for (const DefinitionVersion& definition : definitions) {
    ASSIGN_OR_RETURN(const std::size_t woken, Wake(definition, DueFor::kPoll, polls, swept));
    polls -= woken;
    polls_ -= static_cast<double>(woken);
  }
  return swept;
}

}  // namespace unwind
