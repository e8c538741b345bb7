#include "orchestrator/engine/mailbox.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "common/base/gather.h"

namespace unwind {
namespace {

constexpr std::size_t kRecoveredPerEvent = 4;
constexpr std::size_t kCallersMax = 4096;  // in the admission queue, besides those of admitted sagas

}  // namespace

const Waiter* WaiterOf(const Mail& mail) {
  if (const auto* const accept = std::get_if<AcceptMail>(&mail)) return &accept->waiter;
  if (const auto* const attach = std::get_if<AttachMail>(&mail)) return &attach->waiter;
  if (const auto* const ask = std::get_if<AskMail>(&mail)) return &ask->waiter;
  return nullptr;
}

void Mailbox::Post(Mail mail) {
  {
    std::lock_guard lock(mutex_);
    auto& own = std::holds_alternative<RecoverMail>(mail) ? recovered_ : events_;
    (WaiterOf(mail) == nullptr ? own : callers_).push_back(std::move(mail));
  }
  wake_.notify_one();
}

bool Mailbox::PostIfRoom(Mail mail) {
  {
    std::lock_guard lock(mutex_);
    if (callers_.size() >= kCallersMax) return false;
  }
  Post(std::move(mail));
  return true;
}

bool Mailbox::Wait(absl::Duration wait, bool reads) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, absl::ToChronoMicroseconds(wait + absl::Microseconds(1)),
                 [&] { return stopped_ || (reads && size() > 0); });
  if (!stopped_) Gather(lock, batch_max_, [this] { return size(); });
  return !stopped_;
}

void Mailbox::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  wake_.notify_all();
}

// Events and recovered sagas do not wait for each other; of the latter a turn has more, for until then nobody drives
// them.
std::vector<Mail> Mailbox::Drain() {
  std::lock_guard lock(mutex_);
  std::vector<Mail> mails;
  const auto take = [&mails](std::deque<Mail>& queue, std::size_t most) {
    for (std::size_t n = 0; n < most && !queue.empty(); ++n) {
      mails.push_back(std::move(queue.front()));
      queue.pop_front();
    }
  };
  take(events_, batch_max_);
  take(recovered_, kRecoveredPerEvent * batch_max_);
  take(callers_, batch_max_ - std::min(batch_max_, mails.size()));
  return mails;
}

std::vector<Mail> Mailbox::TakeExpired(absl::Time now) {
  std::lock_guard lock(mutex_);
  const auto stays = [now](const Mail& mail) { return WaiterOf(mail)->answer_by > now; };
  const auto first = std::stable_partition(callers_.begin(), callers_.end(), stays);
  std::vector<Mail> expired(std::make_move_iterator(first), std::make_move_iterator(callers_.end()));
  callers_.erase(first, callers_.end());
  return expired;
}

}  // namespace unwind
