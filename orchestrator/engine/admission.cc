#include "orchestrator/engine/admission.h"

#include <algorithm>

namespace unwind {

Admission::Places::Places(std::size_t max, double share_max)
    : max_(max),
      of_one_max_(std::max<std::size_t>(1, static_cast<std::size_t>(static_cast<double>(max) * share_max))) {}

bool Admission::Places::TryEnter(const std::string& definition) {
  if (taken_ >= max_ || by_name_[definition] >= of_one_max_) return false;
  Enter(definition);
  return true;
}

void Admission::Places::Enter(const std::string& definition) {
  ++by_name_[definition];
  ++taken_;
}

void Admission::Places::Leave(const std::string& definition) {
  --by_name_[definition];
  --taken_;
}

std::size_t Admission::Places::taken(const std::string& definition) const {
  const auto of_it = by_name_.find(definition);
  return of_it == by_name_.end() ? 0 : of_it->second;
}

Admission::Admission(std::size_t in_flight_max, std::size_t stuck_max, double share_max)
    : in_flight_(in_flight_max, share_max), stuck_places_(stuck_max, share_max) {}

bool Admission::TryEnter(const std::string& definition) {
  std::lock_guard lock(mutex_);
  return in_flight_.TryEnter(definition);
}

void Admission::Enter(const std::string& definition) {
  std::lock_guard lock(mutex_);
  in_flight_.Enter(definition);
}

void Admission::Leave(const std::string& definition) {
  std::lock_guard lock(mutex_);
  in_flight_.Leave(definition);
}

std::size_t Admission::in_flight() const {
  std::lock_guard lock(mutex_);
  return in_flight_.taken();
}

std::size_t Admission::in_flight(const std::string& definition) const {
  std::lock_guard lock(mutex_);
  return in_flight_.taken(definition);
}

bool Admission::TryEnterStuck(const std::string& definition) {
  std::lock_guard lock(mutex_);
  return stuck_places_.TryEnter(definition);
}

void Admission::LeaveStuck(const std::string& definition) {
  std::lock_guard lock(mutex_);
  stuck_places_.Leave(definition);
}

void Admission::CountStuck(const std::string& definition, bool stuck) {
  std::lock_guard lock(mutex_);
  std::size_t& count = stuck_[definition];
  stuck ? ++count : --count;
}

std::map<std::string, std::size_t> Admission::stuck() const {
  std::lock_guard lock(mutex_);
  return stuck_;
}

void Admission::CountWaiting(const std::string& definition, std::optional<absl::Time> was,
                             std::optional<absl::Time> now) {
  std::lock_guard lock(mutex_);
  std::multiset<absl::Time>& waits = waits_[definition];
  if (was.has_value()) waits.erase(waits.find(*was));
  if (now.has_value()) waits.insert(*now);
}

void Admission::SetResting(const std::vector<RestingCount>& counts) {
  std::lock_guard lock(mutex_);
  for (auto& [definition, resting] : resting_) resting = {};
  for (const RestingCount& each : counts) {
    Resting& resting = resting_[each.definition.name];
    resting = {resting.sagas + static_cast<std::size_t>(each.sagas), std::min(resting.oldest, each.oldest)};
  }
}

std::size_t Admission::all_waiting() const {
  std::size_t all = 0;
  for (const auto& [definition, sagas] : waiting()) all += sagas;
  return all;
}

std::map<std::string, std::size_t> Admission::waiting() const {
  std::lock_guard lock(mutex_);
  std::map<std::string, std::size_t> waiting;
  for (const auto& [definition, waits] : waits_) waiting[definition] = waits.size();
  for (const auto& [definition, resting] : resting_) waiting[definition] += resting.sagas;
  return waiting;
}

std::map<std::string, absl::Time> Admission::oldest_waits() const {
  std::lock_guard lock(mutex_);
  std::map<std::string, absl::Time> oldest;
  for (const auto& [definition, waits] : waits_) {
    oldest[definition] = waits.empty() ? absl::InfiniteFuture() : *waits.begin();
  }
  for (const auto& [definition, resting] : resting_) {
    absl::Time& of_it = oldest.try_emplace(definition, absl::InfiniteFuture()).first->second;
    of_it = std::min(of_it, resting.oldest);
  }
  return oldest;
}

}  // namespace unwind
