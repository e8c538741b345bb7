#include "orchestrator/engine/mailbox.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "common/base/gather.h"
#include "orchestrator/engine/saga_bytes.h"

namespace unwind {
namespace {

// About as much as handling it adds to the turn.
std::size_t BytesIn(const Mail& mail) {
  if (const auto* const accept = std::get_if<AcceptMail>(&mail)) return accept->saga.input.size();
  if (const auto* const event = std::get_if<EventMail>(&mail)) return BytesOf(event->event);
  const auto* const recovered = std::get_if<RecoverMail>(&mail);
  return recovered == nullptr ? 0 : BytesOf(recovered->saga);
}

}  // namespace

Saga TakeRow(AcceptMail& mail, const std::string& owner) {
  const Plan& plan = mail.saga.definition->plan();
  Saga saga;
  saga.id = mail.saga_id;
  saga.definition = plan.name;
  saga.definition_version = plan.version;
  saga.key_scope = std::move(mail.saga.key_scope);
  saga.key = std::move(mail.saga.key);
  saga.input = std::move(mail.saga.input);
  saga.input_hash = std::move(mail.saga.input_hash);
  saga.trace = std::move(mail.saga.trace);
  saga.owner = owner;
  saga.steps.resize(plan.steps.size());
  return saga;
}

bool IsNudge(const AskMail& ask) { return std::holds_alternative<Nudged>(ask.event); }

const Waiter* WaiterOf(const Mail& mail) {
  if (const auto* const accept = std::get_if<AcceptMail>(&mail)) return &accept->waiter;
  if (const auto* const attach = std::get_if<AttachMail>(&mail)) return &attach->waiter;
  if (const auto* const ask = std::get_if<AskMail>(&mail)) return &ask->waiter;
  if (const auto* const flush = std::get_if<FlushMail>(&mail)) return &flush->waiter;
  return nullptr;
}

std::deque<Mail>& Mailbox::QueueOf(const Mail& mail) {
  if (std::holds_alternative<EventMail>(mail)) return events_;
  if (const auto* const recover = std::get_if<RecoverMail>(&mail)) {
    return recover->due == DueFor::kStart ? followers_ : recovered_;
  }
  const auto* const ask = std::get_if<AskMail>(&mail);
  const bool is_operators = ask == nullptr ? std::holds_alternative<FlushMail>(mail) : !IsNudge(*ask);
  return is_operators ? operators_ : callers_;
}

void Mailbox::Post(Mail mail) {
  {
    std::lock_guard lock(mutex_);
    if (const Waiter* const waiter = WaiterOf(mail)) expiry_ = std::min(expiry_, waiter->answer_by);
    QueueOf(mail).push_back(std::move(mail));
  }
  wake_.notify_one();
}

bool Mailbox::has_recovered() {
  std::lock_guard lock(mutex_);
  return !recovered_.empty();
}

bool Mailbox::Wait(absl::Duration wait, bool reads) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, absl::ToChronoMicroseconds(wait + absl::Microseconds(1)),
                 [&] { return stopped_ || woken_ || (reads && size() > 0); });
  woken_ = false;
  if (!stopped_) Gather(lock, batch_max_, [this] { return size(); });
  return !stopped_;
}

void Mailbox::Wake() {
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wake_.notify_all();
}

void Mailbox::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  wake_.notify_all();
  none_recovered_.notify_all();
}

bool Mailbox::AwaitRecovered(absl::Duration most) {
  std::unique_lock lock(mutex_);
  none_recovered_.wait_for(lock, absl::ToChronoMicroseconds(std::max(most, absl::Microseconds(1))),
                           [this] { return stopped_ || recovered_.empty(); });
  return recovered_.empty();
}

std::deque<Mail> Mailbox::Drain() {
  std::lock_guard lock(mutex_);
  std::deque<Mail> mails;
  std::size_t bytes = 0;
  const auto take = [&](std::deque<Mail>& queue) {
    if (queue.empty()) return;
    bytes += BytesIn(queue.front());
    mails.push_back(std::move(queue.front()));
    queue.pop_front();
  };
  const std::size_t waiting_followers = followers_.size();
  while (size() > 0 && mails.size() < batch_max_ && bytes < bytes_max_) {
    if (size() == followers_.size()) take(followers_);
    take(events_);
    take(events_);
    take(recovered_);
    take(operators_.empty() ? callers_ : operators_);
  }
  if (followers_.size() == waiting_followers) take(followers_);
  if (recovered_.empty()) none_recovered_.notify_all();
  return mails;
}

std::deque<Mail> Mailbox::TakeExpired(absl::Time now) {
  std::lock_guard lock(mutex_);
  std::deque<Mail> expired;
  if (expiry_ > now) return expired;
  expiry_ = absl::InfiniteFuture();
  TakeExpired(operators_, now, expired);
  TakeExpired(callers_, now, expired);
  return expired;
}

void Mailbox::TakeExpired(std::deque<Mail>& queue, absl::Time now, std::deque<Mail>& expired) {
  const auto stays = [now](const Mail& mail) { return WaiterOf(mail)->answer_by > now; };
  const auto first = std::stable_partition(queue.begin(), queue.end(), stays);
  std::move(first, queue.end(), std::back_inserter(expired));
  queue.erase(first, queue.end());
  for (const Mail& mail : queue) expiry_ = std::min(expiry_, WaiterOf(mail)->answer_by);
}

}  // namespace unwind
