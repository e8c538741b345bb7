#include "orchestrator/engine/admission.h"

#include <algorithm>

namespace unwind {

Admission::Admission(std::size_t in_flight_max, double share_max)
    : in_flight_max_(in_flight_max),
      of_one_max_(std::max<std::size_t>(1, static_cast<std::size_t>(static_cast<double>(in_flight_max) * share_max))) {}

bool Admission::TryEnter(const std::string& definition) {
  std::lock_guard lock(mutex_);
  std::size_t& of_one = by_name_[definition];
  if (in_flight_ >= in_flight_max_ || of_one >= of_one_max_) return false;
  ++of_one;
  ++in_flight_;
  return true;
}

void Admission::Enter(const std::string& definition) {
  std::lock_guard lock(mutex_);
  ++by_name_[definition];
  ++in_flight_;
}

void Admission::Leave(const std::string& definition) {
  std::lock_guard lock(mutex_);
  --by_name_[definition];
  --in_flight_;
}

std::size_t Admission::in_flight() const {
  std::lock_guard lock(mutex_);
  return in_flight_;
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

}  // namespace unwind
