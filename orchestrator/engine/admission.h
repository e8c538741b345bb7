// How many sagas are in flight or stuck, and whether there is room for one more.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_ADMISSION_H_
#define UNWIND_ORCHESTRATOR_ENGINE_ADMISSION_H_

#include <cstddef>
#include <map>
#include <mutex>
#include <string>

namespace unwind {

// Thread-safe.
class Admission {
 public:
  // At most `in_flight_max` sagas; one definition has at most the share `share_max` (0 to 1) of them, so that its dead
  // participant does not stop the others.
  Admission(std::size_t in_flight_max, double share_max);

  // Takes a place; false: there is none for this definition.
  bool TryEnter(const std::string& definition);
  // Takes a place also where there is none: the saga was accepted before.
  void Enter(const std::string& definition);
  void Leave(const std::string& definition);

  std::size_t in_flight() const;

  // Stuck ones take no place.
  void CountStuck(const std::string& definition, bool stuck);
  std::map<std::string, std::size_t> stuck() const;  // by definition

 private:
  const std::size_t in_flight_max_;
  const std::size_t of_one_max_;
  mutable std::mutex mutex_;
  std::size_t in_flight_ = 0;                   // guarded by mutex_
  std::map<std::string, std::size_t> by_name_;  // of a definition; guarded by mutex_
  std::map<std::string, std::size_t> stuck_;    // likewise; guarded by mutex_
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_ADMISSION_H_
