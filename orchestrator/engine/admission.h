// How many sagas are in flight, stuck or waiting, and whether there is room for one more.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_ADMISSION_H_
#define UNWIND_ORCHESTRATOR_ENGINE_ADMISSION_H_

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/engine/saga_store.h"

namespace unwind {

// Thread-safe.
class Admission {
 public:
  // At most `in_flight_max` sagas, and `stuck_max` that take no place of them; one definition has at most the share
  // `share_max` (0 to 1) of each, so that its dead participant does not stop the others.
  Admission(std::size_t in_flight_max, std::size_t stuck_max, double share_max);

  // Takes a place; false: there is none for this definition.
  bool TryEnter(const std::string& definition);
  // Takes a place also where there is none: the saga was accepted before.
  void Enter(const std::string& definition);
  void Leave(const std::string& definition);

  std::size_t in_flight() const;
  std::size_t in_flight(const std::string& definition) const;

  // The same of a stuck saga that is not to be in flight; false: there are very many, and it is.
  bool TryEnterStuck(const std::string& definition);
  void LeaveStuck(const std::string& definition);

  // All that are stuck, in whatever place.
  void CountStuck(const std::string& definition, bool stuck);
  std::map<std::string, std::size_t> stuck() const;  // by definition

  // A saga waited as WaitsSince said it (`was`), and now as it says it.
  void CountWaiting(const std::string& definition, std::optional<absl::Time> was, std::optional<absl::Time> now);
  // The waiting sagas that rest and are not in memory, as they were counted last, in the place of the last count.
  void SetResting(const std::vector<RestingCount>& counts);
  // Of both.
  std::size_t all_waiting() const;
  std::map<std::string, std::size_t> waiting() const;      // by definition
  std::map<std::string, absl::Time> oldest_waits() const;  // likewise; infinite: there is none without an end

 private:
  class Places {
   public:
    Places(std::size_t max, double share_max);
    bool TryEnter(const std::string& definition);
    void Enter(const std::string& definition);
    void Leave(const std::string& definition);
    std::size_t taken() const { return taken_; }
    std::size_t taken(const std::string& definition) const;

   private:
    const std::size_t max_;
    const std::size_t of_one_max_;
    std::size_t taken_ = 0;
    std::map<std::string, std::size_t> by_name_;  // of a definition
  };

  mutable std::mutex mutex_;
  Places in_flight_;  // guarded by mutex_, as all below
  Places stuck_places_;
  std::map<std::string, std::size_t> stuck_;                // by definition
  std::map<std::string, std::multiset<absl::Time>> waits_;  // likewise, one for each saga in memory
  struct Resting {
    std::size_t sagas = 0;
    absl::Time oldest = absl::InfiniteFuture();
  };
  std::map<std::string, Resting> resting_;  // likewise
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_ADMISSION_H_
